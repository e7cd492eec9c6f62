"""The table of score.py in RESULTS.md."""

from __future__ import annotations

from lines import Results, foreign_of, number, table, verdict

SPEED = 4.0  # how many times the padded classifier's speed is aimed at


def scoring(results: Results) -> str:
    """Pairs per second of both sides."""
    if not results.scored:
        return "Not measured yet: `python benchmarks/score.py --size S --json`.\n"
    rows = []
    for line in results.scored:
        low, high = min(line["ratio_rounds"]), max(line["ratio_rounds"])
        spread = f" ({low:.3g}–{high:.3g})" if line["rounds"] > 1 else " (1 round)"
        rows.append(
            (
                f"{line['size']} {line['dtype']}, {line['pairs']:,} pairs",
                number(line["handrail"]["pairs_per_s"]),
                number(line["padded"]["pairs_per_s"]),
                f"**{line['score_ratio']:.3g}×**{spread}",
                verdict(line["score_ratio"], SPEED, at_least=True),
                f"{line['handrail']['peak_mb']:,.0f} / {line['padded']['peak_mb']:,.0f}",
                f"{line['score_diff']:.1e}",
                f"{foreign_of(line, ('handrail', 'padded')):.2f}",
            )
        )
    head = ("model", "Handrail pairs/s", "padded pairs/s", "ratio", "target", "peak MB")
    return table((*head, "scores differ by", "foreign cores"), rows)
