"""The care world: conversations with playbooks, replies that keep or break rules, an oracle."""

from handrail.world.annotators import Annotators
from handrail.world.base import world_model_path
from handrail.world.families import families, guardrail
from handrail.world.faults import Faults
from handrail.world.feedback import Feedback, feedback_turns
from handrail.world.generator import generate, is_ours, turns
from handrail.world.oracle import Oracle
from handrail.world.player import Player
from handrail.world.quality import Quality, TrueQuality, quality, quality_parts
from handrail.world.scene import topics
from handrail.world.serve import serving
from handrail.world.settings import WorldSettings
from handrail.world.training import training_turns

__all__ = [
    "Annotators",
    "Faults",
    "Feedback",
    "Oracle",
    "Player",
    "Quality",
    "TrueQuality",
    "WorldSettings",
    "families",
    "feedback_turns",
    "generate",
    "guardrail",
    "is_ours",
    "quality",
    "quality_parts",
    "serving",
    "topics",
    "training_turns",
    "turns",
    "world_model_path",
]
