"""The settings of `handrail.train`: which there are, what they may be, what defaults follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handrail.cli.options import fields, share
from handrail.records import SettingError, nearest

if TYPE_CHECKING:
    from handrail.models import ModelSettings

DERIVED = ("replies", "mismatched")  # of the trees, from the objective
LOSSES = ("bradley_terry", "logistic", "sigmoid_mse", "mse")  # of reward models; all but one Rating
EVALUATING = ("eval_every", "patience")  # nothing without turns to evaluate on


def checked(objective: str, given: Mapping[str, Any], evaluated: bool) -> ModelSettings:
    """Refuse settings that cannot be, before data or model are read; how the model is loaded.

    `evaluated`: whether there are turns to evaluate on.

    Raises:
        SettingError: no such objective, a name that it has no setting of, or a value out of range.
    """
    from handrail.models import resolve_device

    known = set().union(*map(fields, parts(objective).values())).difference(derived(objective))
    same = LOSSES if objective in LOSSES else policies()
    for name in given:
        others = [other for other in same if name in _own(other)]
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
    from handrail.recipes.settings import default_rates, reward_rate
    from handrail.training import settings_from

    kinds = parts(objective)
    fixed = derived(objective)
    for name in (*DERIVED, "loss"):
        if name in given and name in fixed:
            raise SettingError(f"'{name}' follows from the objective", "Leave it out")
    shares = share(given, kinds, f"training with {objective}", fixed)
    if "loss" in fixed:
        shares["objective"]["loss"] = objective
    if given.get("learning_rate") is None:
        mode = given.get("mode", "full")
        rate = reward_rate(parameters, mode) if objective in LOSSES else None
        shares["training"]["learning_rate"] = rate or default_rates(parameters, mode)[objective]
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
    from handrail.objectives import OBJECTIVES, BradleyTerry, Rating
    from handrail.training import TrainSettings
    from handrail.trees import TreeSettings

    kinds = OBJECTIVES | dict.fromkeys(LOSSES, Rating) | {"bradley_terry": BradleyTerry}
    if objective not in kinds:
        raise SettingError(f"unknown objective '{objective}'", nearest(objective, kinds))
    return {
        "training": TrainSettings,
        "objective": kinds[objective],
        "model": ModelSettings,
        "trees": TreeSettings,
    }


def derived(objective: str) -> tuple[str, ...]:
    """Names of fields that nobody sets: they follow from the objective, or mean nothing to it."""
    if objective not in LOSSES or objective == "bradley_terry":
        return DERIVED
    return (*DERIVED, "loss") if objective == "mse" else (*DERIVED, "loss", "penalty")


def _own(objective: str) -> set[str]:
    """The settings of an objective alone."""
    return set(fields(parts(objective)["objective"])).difference(derived(objective))


def policies() -> list[str]:
    """The objectives of policies."""
    from handrail.objectives import OBJECTIVES

    return list(OBJECTIVES)


def training_settings(objective: str = "ipo") -> list[dict[str, Any]]:
    """Every setting that `train` takes: name, type, default, meaning, and the part it is of.

    {row["name"]: row["default"] for row in handrail.training_settings("kto")}

    Raises:
        SettingError: there is no such objective.
    """
    check_policy(objective)
    return listed(objective)


def reward_settings(loss: str = "bradley_terry") -> list[dict[str, Any]]:
    """Every setting that `train_reward` takes, as `training_settings` tells those of `train`.

    Raises:
        SettingError: there is no such loss.
    """
    check_loss(loss)
    return listed(loss)


def listed(objective: str) -> list[dict[str, Any]]:
    """The settings of an objective of either kind of model."""
    rows: dict[str, dict[str, Any]] = {}
    hidden = derived(objective)
    for part, kind in parts(objective).items():
        for name, row in fields(kind).items():
            needs = " Needs turns to evaluate on (--eval)." if name in EVALUATING else ""
            told = {"description": row["description"] + needs, "part": part}
            if name not in hidden:
                rows.setdefault(name, row | told)
    return list(rows.values())


def check_policy(objective: str) -> None:
    """Refuse what no policy learns by."""
    if objective in LOSSES:
        raise SettingError(
            f"'{objective}' trains a reward model",
            "Use `handrail reward train` (handrail.train_reward in Python)",
        )
    known = policies()
    if objective not in known:
        raise SettingError(f"unknown objective '{objective}'", nearest(objective, known))


def check_loss(loss: str) -> None:
    """Refuse what no reward model learns by."""
    if loss not in LOSSES:
        raise SettingError(f"unknown loss '{loss}'", nearest(loss, LOSSES))
