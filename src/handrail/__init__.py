"""Handrail trains conversation bots that keep to their guardrails, and proves it.

The functions below do what the commands do (docs/api.md says which: `import_` does what `data
import` does); each is loaded when first used. So are the errors that they raise: all of them are
`HandrailError`s.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handrail.cli.api import (
        chat,
        check,
        check_world,
        convert,
        doctor,
        evaluate_reward,
        evaluation_texts,
        export,
        feedback_settings,
        feedback_turns,
        filter_records,
        generate,
        import_,
        judge,
        judge_eval,
        judge_reproduce,
        list_feedback,
        list_recipes,
        list_sources,
        load,
        load_feedback,
        open_augmenter,
        open_model,
        open_sampler,
        power,
        prepare_rewards,
        pretrain_world,
        rank,
        read,
        read_config,
        recipe_settings,
        record_text,
        report,
        reward_settings,
        run,
        score_replies,
        select_reward,
        synthesize,
        train,
        train_reward,
        training_settings,
        turns,
        write,
    )
    from handrail.records.errors import (
        HandrailError,
        HandrailWarning,
        ModelError,
        RecordError,
        RenderError,
        RunError,
        SettingError,
    )

__version__ = "0.1.0"

__all__ = [
    "HandrailError",
    "HandrailWarning",
    "ModelError",
    "RecordError",
    "RenderError",
    "RunError",
    "SettingError",
    "chat",
    "check",
    "check_world",
    "convert",
    "doctor",
    "evaluate_reward",
    "evaluation_texts",
    "export",
    "feedback_settings",
    "feedback_turns",
    "filter_records",
    "generate",
    "import_",
    "judge",
    "judge_eval",
    "judge_reproduce",
    "list_feedback",
    "list_recipes",
    "list_sources",
    "load",
    "load_feedback",
    "open_augmenter",
    "open_model",
    "open_sampler",
    "power",
    "prepare_rewards",
    "pretrain_world",
    "rank",
    "read",
    "read_config",
    "recipe_settings",
    "record_text",
    "report",
    "reward_settings",
    "run",
    "score_replies",
    "select_reward",
    "synthesize",
    "train",
    "train_reward",
    "training_settings",
    "turns",
    "write",
]

ERRORS = tuple(name for name in __all__ if name[0].isupper())  # of handrail.records.errors
PACKAGES = (
    "asking",
    "cli",
    "judges",
    "models",
    "objectives",
    "ranking",
    "recipes",
    "records",
    "reports",
    "rewards",
    "sampling",
    "sources",
    "synthesis",
    "training",
    "trees",
    "world",
)


def __getattr__(name: str) -> Any:
    if name in ERRORS:
        return getattr(importlib.import_module("handrail.records.errors"), name)
    if name in __all__:
        return getattr(importlib.import_module("handrail.cli.api"), name)
    if name in PACKAGES:
        return importlib.import_module(f"handrail.{name}")
    raise AttributeError(f"module 'handrail' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *PACKAGES])
