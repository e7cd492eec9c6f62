"""The systems of the references, each a file that reads as a story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handrail.recipes.run import Progress, quiet, read_json
from handrail.recipes.settings import SCRATCH, FlowSettings, QuickstartSettings
from handrail.records import RunError


@dataclass(frozen=True)
class Recipe:
    """A system that `handrail run` knows.

    `run(settings, out_dir, progress, frozen=False)` gives its summary; frozen, it trains nothing
    and only writes the report again.
    """

    name: str
    summary: str
    settings_class: type[FlowSettings]
    run: Callable[..., dict[str, Any]]


def _flow1(
    settings: FlowSettings, out: Path, progress: Progress, *, frozen: bool = False
) -> dict[str, Any]:
    from handrail.recipes.flow1 import run_flow1

    return run_flow1(settings, out, progress, frozen=frozen)


def _flow2(
    settings: FlowSettings, out: Path, progress: Progress, *, frozen: bool = False
) -> dict[str, Any]:
    from handrail.recipes.flow2 import run_flow2

    return run_flow2(settings, out, progress, frozen=frozen)


def _quickstart(
    settings: FlowSettings, out: Path, progress: Progress, *, frozen: bool = False
) -> dict[str, Any]:
    from handrail.recipes.flow1 import run_quickstart

    return run_quickstart(settings, out, progress, frozen=frozen)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "quickstart",
            "SFT, then IPO, judged: minutes on two cores",
            QuickstartSettings,
            _quickstart,
        ),
        Recipe(
            "flow1",
            "does alignment beat fine-tuning alone? SFT, IPO, KTO-pair, DPO, KTO",
            FlowSettings,
            _flow1,
        ),
        Recipe(
            "flow2",
            "a bot that learns from its own mistakes: SFT, feedback, IPO, KTO-pair",
            FlowSettings,
            _flow2,
        ),
    )
}


def report_again(folder: Path, progress: Progress = quiet) -> Path:
    """Write a finished run's report and summary again from its stages; returns the page's path.

    The files that the run read are read again, from where they lay.

    Raises:
        RunError: this is no run's folder, the run is not finished, or a file of its is gone.
    """
    try:
        config = read_json(folder / "config.json")
        recipe = RECIPES[config["recipe"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(
            "this is not the folder of a run (it has no readable config.json)",
            "Name the folder that `handrail run` wrote",
            str(folder),
        ) from None
    from handrail.training import settings_from

    given = _found(config["settings"], config.get("folder", ""), folder)
    settings = settings_from(recipe.settings_class, given)
    recipe.run(settings, folder, progress, frozen=True)
    return folder / "report.html"


def _found(settings: dict[str, Any], begun_in: str, folder: Path) -> dict[str, Any]:
    """The settings with the paths of their files, seen from here or from where the run began."""
    found = dict(settings)
    llm = dict(settings.get("llm") or {})
    for name in ("prices", "prompts"):
        there = Path(begun_in) / str(llm.get(name, ""))
        if name in llm and not Path(llm[name]).exists() and there.exists():
            llm[name] = str(there)
    found["llm"] = llm
    for name in ("model", "conversations", "test_conversations", "playbook", "guidelines"):
        given = str(settings.get(name) or ".")
        if name == "model" and given in ("world", SCRATCH):
            continue  # never a folder
        path = Path(given)
        there = Path(begun_in) / path
        if not path.exists() and there.exists():
            found[name] = str(there)
        elif name != "model" and not path.exists():
            raise RunError(
                f"the run's {name} are not there any more ({path}), and a report reads the turns "
                "of the test again",
                f"Put the file back, or start in the folder in which the run began: {begun_in}",
                str(folder),
            )
    return found


__all__ = ["RECIPES", "FlowSettings", "QuickstartSettings", "Recipe", "report_again"]
