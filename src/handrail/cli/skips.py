"""What a command had to leave out, counted and, the first few, named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handrail.cli.console import Console, count

if TYPE_CHECKING:
    from handrail.records import Loaded, Skip

SHOWN = 5  # faults named one by one to a reader


def tell(
    console: Console,
    summary: dict[str, Any],
    lines: list[str],
    loaded: Loaded[Any],
    heads: Mapping[str, str] | None = None,
) -> None:
    """Print the result with warnings and what was left out, counted and, the first few, named.

    `heads`: what to call it by the kind of what is skipped, where nothing is left out.
    """
    skipped, warnings = loaded.skipped, loaded.warnings
    summary["warnings"] = [warning.model_dump() for warning in warnings]
    summary["skipped"] = [skip.model_dump() for skip in skipped]
    lines += [f"Warning: {warning.where}: {warning.reason}" for warning in warnings[:SHOWN]]
    if len(warnings) > SHOWN:
        lines.append(f"... and {count(len(warnings) - SHOWN, 'more warning')}")
    groups: dict[str, list[Skip]] = {}
    for skip in skipped:
        groups.setdefault((heads or {}).get(skip.what, "Left out"), []).append(skip)
    for head, group in groups.items():
        lines.append(f"{head}: {sum(skip.count for skip in group):,}")
        lines += [f"  {skip.where}: {skip.reason}" for skip in group[:SHOWN]]
        if len(group) > SHOWN:
            lines.append(f"  ... and {sum(skip.count for skip in group[SHOWN:]):,} more")
    console.result(summary, "\n".join(lines))


def refused(skips: list[Skip]) -> list[str]:
    """Lines on the candidates that were refused as rejected replies, by reason."""
    from handrail.cli.options import left_out

    reasons = Counter(left_out(skips)["skipped_reasons"])
    head = f"Refused as rejected replies: {count(reasons.total(), 'candidate')}"
    return [head, *(f"  {n:,}: {why}" for why, n in reasons.most_common())] if reasons else []
