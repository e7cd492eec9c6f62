"""The settings of `handrail.train`: which there are, what they may be, what defaults follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handrail.cli.options import fields, share
from handrail.records import SettingError, nearest

if TYPE_CHECKING:
    from handrail.models import ModelSettings

DERIVED = ("replies", "mismatched")  # of the trees, from the objective
EVALUATING = ("eval_every", "patience")  # nothing without turns to evaluate on


def checked(objective: str, given: Mapping[str, Any], evaluated: bool) -> ModelSettings:
    """Refuse settings that cannot be, before data or model are read; how the model is loaded.

    `evaluated`: whether there are turns to evaluate on.

    Raises:
        SettingError: no such objective, a name that it has no setting of, or a value out of range.
    """
    from handrail.models import resolve_device
    from handrail.objectives import OBJECTIVES

    known = set().union(*map(fields, parts(objective).values()))
    for name in given:
        others = [other for other, kind in OBJECTIVES.items() if name in fields(kind)]
        if others and name not in known:
            raise SettingError(
                f"there is no setting '{name}' for training with {objective}",
                f"'{name}' is a setting of {', '.join(others)}",
            )
    # As if the model had the fewest positions: what is too long for it is told when it is loaded.
    chosen = resolve(objective, given, 2, 0)
    for name in () if evaluated else EVALUATING:
        if getattr(chosen["training"], name):
            raise SettingError(
                f"'{name}' needs turns to evaluate on",
                "Name a file of them with --eval (eval_turns= in Python), or leave it out",
            )
    loading: ModelSettings = chosen["model"]
    resolve_device(loading.device)
    return loading


def resolve(
    objective: str, given: Mapping[str, Any], positions: int | None, parameters: int
) -> dict[str, Any]:
    """The settings objects of all four parts, with the defaults that depend on the model.

    A prompt with its reply may be as long as the model's positions and the token budget allow. The
    learning rate follows from the model's size and `mode`, as in the recipes.
    """
    from handrail.recipes.settings import default_rates
    from handrail.training import settings_from

    kinds = parts(objective)
    for name in DERIVED:
        if name in given:
            raise SettingError(f"'{name}' follows from the objective", "Leave it out")
    shares = share(given, kinds, f"training with {objective}", DERIVED)
    if given.get("learning_rate") is None:
        rates = default_rates(parameters, given.get("mode", "full"))
        shares["training"]["learning_rate"] = rates[objective]
    training: Any = settings_from(kinds["training"], shares["training"])
    budget = training.token_budget
    longest = min(budget, positions or budget)
    trees = {"max_tokens": longest, "tree_tokens": budget, "share_turns": training.batch_size}
    shares["trees"] = trees | shares["trees"]
    rest: dict[str, Any] = {p: settings_from(kinds[p], shares[p]) for p in kinds if p != "training"}
    return {"training": training} | rest


def parts(objective: str) -> dict[str, type]:
    """What `settings` may fill, by the part of the work that it belongs to."""
    from handrail.models import ModelSettings
    from handrail.objectives import OBJECTIVES
    from handrail.training import TrainSettings
    from handrail.trees import TreeSettings

    if objective not in OBJECTIVES:
        raise SettingError(f"unknown objective '{objective}'", nearest(objective, OBJECTIVES))
    return {
        "training": TrainSettings,
        "objective": OBJECTIVES[objective],
        "model": ModelSettings,
        "trees": TreeSettings,
    }


def training_settings(objective: str = "ipo") -> list[dict[str, Any]]:
    """Every setting that `train` takes: name, type, default, meaning, and the part it is of.

    {row["name"]: row["default"] for row in handrail.training_settings("kto")}

    Raises:
        SettingError: there is no such objective.
    """
    rows: dict[str, dict[str, Any]] = {}
    for part, kind in parts(objective).items():
        for name, row in fields(kind).items():
            needs = " Needs turns to evaluate on (--eval)." if name in EVALUATING else ""
            told = {"description": row["description"] + needs, "part": part}
            if name not in DERIVED:
                rows.setdefault(name, row | told)
    return list(rows.values())
