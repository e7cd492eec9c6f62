"""The trainer: schedule, accumulation, reference, checkpoints and exact resume, metrics."""

from handrail.training.metrics import Progress, read_metrics
from handrail.training.run import ADAPTER
from handrail.training.settings import PAPER_LEARNING_RATES, TrainSettings, settings_from
from handrail.training.trainer import TrainResult, train

__all__ = [
    "ADAPTER",
    "PAPER_LEARNING_RATES",
    "Progress",
    "TrainResult",
    "TrainSettings",
    "read_metrics",
    "settings_from",
    "train",
]
