"""Write RESULTS.md from the JSON lines that all.py kept.

python benchmarks/render.py [results.jsonl [RESULTS.md]]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import judge_tables
import score_tables
import tables
from common import REWARDS
from lines import Results, read
from rows import PROFILES, ROWS, Line, Row
from work import units_of

HERE = Path(__file__).resolve().parent


def setting(lines: list[Line]) -> str:
    """Machine, versions, threads and days."""
    if not lines:
        return "**Nothing has been measured yet:** no row has been run on an undisturbed machine.\n"
    out = []
    machines = {json.dumps(line["machine"], sort_keys=True) for line in lines}
    for text in sorted(machines):
        m = json.loads(text)
        out.append(
            f"- {m['cpu']} ({m['vectors']}), {m['cores']} cores, {m['memory_gib']} GiB, "
            f"{m['system']}, {m.get('gpu', 'no GPU')}"
        )
    out.append(f"- threads: {', '.join(sorted({str(x['threads']) for x in lines}))}")
    for text in sorted({json.dumps(line["versions"], sort_keys=True) for line in lines}):
        out.append("- " + ", ".join(f"{k} {v}" for k, v in json.loads(text).items()))
    days = sorted(line["when"][:10] for line in lines)
    out.append(f"- measured {days[0]}" + (f" to {days[-1]}" if days[-1] != days[0] else ""))
    return "\n".join(out) + "\n"


def agreement_text(lines: list[Line]) -> str:
    """The worst disagreement over all rows that compared both sides' untrained model."""
    out = []
    compared = [x for x in lines if "agreement" in x]
    for what, unit in (("", "nats per token"), ("scores, ", "of a score")):
        for dtype in ("float32", "bfloat16"):
            rows = [
                x["agreement"]
                for x in compared
                if x["dtype"] == dtype and (x["objective"] in REWARDS) == bool(what)
            ]
            if rows:
                worst = max(row["logp_per_token_diff"] for row in rows)
                count = sum(row["replies_compared"] for row in rows)
                out.append(f"{what}{dtype}: {worst:.1e} {unit} over {count} replies")
    return "; ".join(out) or "not compared"


def update_text(lines: list[Line]) -> str:
    """How far apart one update left the sides, of the rows that compared it."""
    rows = [
        x["agreement"]
        for x in lines
        if "update_diff" in x.get("agreement", {}) and x["objective"] not in REWARDS
    ]
    if not rows:
        return "not compared yet in the lines above"
    shares = [row["update_diff"] / row["update_moved"] for row in rows]
    least = min(row["update_moved"] for row in rows)
    return (
        f"largest difference {max(shares):.1%} of the move, over {len(rows)} rows that moved by "
        f"{least:.1e} nats per token or more"
    )


def default_units(row: Row) -> int:
    """How many conversations or prompts train.py takes for a row unless it is told."""
    return units_of(argparse.Namespace(**vars(row), units=None), row.turns)


def page(results: Results) -> str:
    """The whole page."""
    lines = [x.line for x in results.measured]
    parts = {
        "SETTING": setting([*lines, *results.bounds, *results.profiles]),
        "STRICT_COUNT": tables.strict_count(results),
        "MAIN": tables.main_table(results),
        "NOTES": tables.footnotes(results),
        "REPEATS": tables.repeats(results),
        "STRICT": tables.strict_table(results),
        "BOTH_WAYS": tables.both_ways(results),
        "PROFILES": tables.profile_table(results),
        "MEMORY": tables.memory_table(results),
        "TURNS": tables.turns_table(results),
        "BOUND": tables.bound_table(results),
        "BOUND_LOAD": tables.bound_load(results),
        "JUDGING": judge_tables.judging(results),
        "SCORING": score_tables.scoring(results),
        "COMMANDS": tables.commands(results, default_units),
        "MISSING": tables.missing(results, ROWS, PROFILES),
        "AGREEMENT": agreement_text(lines),
        "UPDATE": update_text(lines),
    }
    text = (HERE / "RESULTS.template.md").read_text()
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def write(source: Path, target: Path) -> None:
    """Write the page."""
    target.write_text(page(read(source)))


if __name__ == "__main__":
    arguments = [Path(x) for x in sys.argv[1:]]
    defaults = [HERE / "results.jsonl", HERE / "RESULTS.md"]
    write(*(arguments + defaults[len(arguments) :]))
