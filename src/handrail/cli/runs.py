"""`handrail.run` and what belongs to it: the recipes, their settings, the report again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.options import fields
from handrail.records import SettingError, nearest

if TYPE_CHECKING:
    from handrail.recipes import Recipe
    from handrail.recipes.run import Progress


def list_recipes() -> dict[str, str]:
    """The recipes that `run` knows, each with its summary."""
    from handrail.recipes import RECIPES

    return {name: recipe.summary for name, recipe in RECIPES.items()}


def recipe_settings(recipe: str) -> list[dict[str, Any]]:
    """Every setting of a recipe: name, type, default, meaning.

    [row["name"] for row in handrail.recipe_settings("flow1")]

    Raises:
        SettingError: there is no such recipe.
    """
    return list(fields(_recipe(recipe).settings_class).values())


def run(
    recipe: str,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    progress: Progress | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Run a recipe from data to report; returns its summary (also in `out/summary.json`).

    Args:
        recipe: "quickstart", "flow1", "flow2", ... (`list_recipes()` lists them).
        out: the run's folder, by default `runs/RECIPE`. Stages that are whole and whose inputs
            did not change are not run again.
        settings: settings by name (`recipe_settings(recipe)` lists them).
        progress: called as (stage, done, total, note).
        **more: further settings, by name.

    Raises:
        HandrailError: a recipe, setting, record or model that cannot be used.
    """
    from handrail.recipes.run import quiet
    from handrail.training import settings_from

    known = _recipe(recipe)
    chosen = settings_from(
        known.settings_class, {**(settings or {}), **more}, f"the recipe {recipe}"
    )
    folder = Path(out) if out is not None else Path("runs") / recipe
    return known.run(chosen, folder, progress or quiet)


def _recipe(name: str) -> Recipe:
    from handrail.recipes import RECIPES

    if name not in RECIPES:
        raise SettingError(f"there is no recipe '{name}'", nearest(name, RECIPES))
    return RECIPES[name]


def report(run_dir: str | Path, *, progress: Progress | None = None) -> Path:
    """Write the report of a run folder again; returns the page's path.

    The stages are taken as they are; only judging, ranking and the page are done anew.

    Raises:
        RunError: the folder is not one that `run` wrote, or its run is not finished.
    """
    from handrail.recipes import report_again
    from handrail.recipes.run import quiet

    return report_again(Path(run_dir), progress or quiet)
