"""Write RESULTS.md from the JSON lines that all.py kept.

python benchmarks/render.py [results.jsonl [RESULTS.md]]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rows import ROWS, Line, by_turn, small

HERE = Path(__file__).resolve().parent

_SPEED = {
    ("conversation", "S", "float32"): 20.0,
    ("conversation", "S", "bfloat16"): 25.0,
    ("conversation", "M", "float32"): 15.0,
    ("conversation", "M", "bfloat16"): 20.0,
}
QUIET_CORES = 0.1  # foreign load, in cores, up to which a row counts as undisturbed


def speed_target(row: Line) -> float | None:
    """How many times TRL's speed a row aims at; None where no aim was set."""
    if row["shape"] == "conversation":
        if row["objective"] == "kto":
            return 12.0
        if row["objective"] == "sft":
            return None if by_turn(row) else 2.0
        return _SPEED.get((row["shape"], row["size"], row["dtype"]))
    if row["shape"] == "long_prompt":
        return {"S": 3.0, "M": 5.0}.get(row["size"])
    return 2.0 if row["shape"] == "short_prompt" else None


def memory_target(row: Line) -> float:
    """The share of TRL's peak memory that a row aims at."""
    return 0.2 if row["shape"] == "conversation" else 0.3


def kind(line: Line) -> str:
    """What tells machines apart: what the processor computes with."""
    return str(line["machine"]["vectors"])


def read(path: Path) -> list[Line]:
    """The lines of a results file (none without the file); of several for one row the newest.

    A row that was measured on two kinds of machine has a line for each.
    """
    newest: dict[tuple[Any, ...], Line] = {}
    if not path.exists():
        return []
    names = ("shape", "size", "objective", "mode", "dtype", "turns")
    for text in path.read_text().splitlines():
        if text.strip():
            line = json.loads(text)
            row = (kind(line), *(line.get(name) for name in names), small(line), by_turn(line))
            newest[row] = line
    return list(newest.values())


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many significant digits, without an exponent."""
    if value is None:
        return "–"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e" in text or abs(value) >= 10**digits else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def verdict(value: float, target: float | None, at_least: bool) -> str:
    """The target and whether it was met, or by how much it was missed."""
    if target is None:
        return "–"
    sign = "≥" if at_least else "≤"
    met = value >= target if at_least else value <= target
    if met:
        return f"{sign} {target:g}: met"
    off = target / value if at_least else value / target
    return f"{sign} {target:g}: missed by {off:.2f}×"


def name_of(line: Line) -> str:
    """A row's name."""
    turns = f", {line['turns']} turns" if line.get("turns") not in (None, 10) else ""
    examples = ", TRL's examples single turns" if by_turn(line) else ""
    return f"{line['shape']}{turns}{examples}"


def speed_row(line: Line) -> list[str]:
    """One row of the main table."""
    ours, theirs = line["handrail"], line["trl"]
    key = "trained_tokens_per_s" if line["objective"] == "sft" else "pairs_per_s"
    unit = " tok" if line["objective"] == "sft" else ""
    span = f" ({min(line['ratio_rounds']):.3g}–{max(line['ratio_rounds']):.3g})"
    foreign = max(ours["foreign_cores"], theirs["foreign_cores"])
    return [
        kind(line),
        name_of(line),
        line["size"],
        line["objective"],
        line["mode"],
        line["dtype"],
        number(ours[key]) + unit,
        number(theirs[key]) + unit,
        f"**{line['ratio']:.3g}×**{span if line['rounds'] > 1 else ''}",
        verdict(line["ratio"], speed_target(line), True)
        if line.get("turns") in (None, 10)
        else "–",
        f"{ours['peak_rss_mb']:,.0f} / {theirs['peak_rss_mb']:,.0f}",
        f"{line['memory_ratio']:.2f}",
        verdict(line["memory_ratio"], memory_target(line), False),
        str(line["rounds"]),
        f"{foreign:.2f}",
    ]


MAIN_HEAD = (
    "CPU", "shape", "size", "objective", "mode", "precision", "Handrail /s", "TRL /s",
    "ratio (rounds)", "target", "peak MB, Handrail / TRL", "memory ratio", "target",
    "rounds", "foreign cores",
)  # fmt: skip


def turns_table(lines: list[Line]) -> str:
    """Cost per pair against the number of turns."""
    found = [
        line
        for line in lines
        if line.get("shape") == "conversation"
        and (line["size"], line["objective"], line["mode"], line["dtype"])
        == ("S", "dpo", "full", "float32")
        and not small(line)
    ]
    rows = []
    for line in sorted(found, key=lambda x: (kind(x), x["turns"])):
        ours, theirs = line["handrail"]["pairs_per_s"], line.get("trl", {}).get("pairs_per_s")
        rows.append(
            [
                kind(line),
                str(line["turns"]),
                number(1000 / ours),
                number(1000 / theirs) if theirs else "–",
                f"{ours / theirs:.3g}×" if theirs else "–",
                f"{line['handrail']['peak_rss_mb']:,.0f}",
                f"{line['trl']['peak_rss_mb']:,.0f}" if theirs else "–",
            ]
        )
    if len(rows) < 2:
        return "Not measured.\n"
    head = (
        "CPU", "turns", "Handrail, ms per pair", "TRL, ms per pair", "ratio", "Handrail MB",
        "TRL MB",
    )  # fmt: skip
    return table(head, rows) + "\n"


def bound_table(lines: list[Line]) -> str:
    """How near Handrail comes to the rate of the machine's matrix products alone."""
    bounds = {(kind(x), x["size"], x["dtype"]): x for x in lines if "gflops" in x}
    rows = []
    for line in lines:
        bound = bounds.get((kind(line), line.get("size"), line.get("dtype")))
        if bound is None or "handrail" not in line or small(line) or by_turn(line):
            continue
        # The bound counts pairs (SFT: agent turns), and every weight's gradient: adapters do less.
        if line["objective"] not in ("dpo", "ipo", "sft") or line["mode"] != "full":
            continue
        shape = line["shape"] + (f"/{line['turns']}" if line.get("turns") else "")
        shape += "/sft" if line["objective"] == "sft" else ""
        limit = bound["bound_pairs_per_s"].get(shape)
        if limit is None:
            continue
        ours = line["handrail"]["pairs_per_s"]
        best = f"{limit / line['trl']['pairs_per_s']:.3g}×" if "trl" in line else "–"
        rows.append(
            [
                kind(line),
                name_of(line),
                line["size"],
                line["objective"],
                line["dtype"],
                f"{bound['gflops']:.0f}",
                number(bound["gflop_per_pair"][shape]),
                number(limit),
                number(ours),
                f"{ours / limit:.0%}",
                best,
            ]
        )
    if not rows:
        return "Not measured.\n"
    head = (
        "CPU", "shape", "size", "objective", "precision", "GFLOP/s", "GFLOP per pair",
        "bound, pairs/s",
        "Handrail, pairs/s", "share of the bound", "ratio to TRL at the bound",
    )  # fmt: skip
    return table(head, rows) + "\n"


def main_table(lines: list[Line]) -> str:
    """All rows with whole batches on TRL's side, beside their targets."""
    rows = [speed_row(line) for line in lines if not small(line)]
    return table(MAIN_HEAD, rows) + "\n" if rows else "Not measured.\n"


def small_table(lines: list[Line]) -> str:
    """Both sides at their smallest micro-batches, without targets."""
    chosen = [line for line in lines if small(line)]
    if not chosen:
        return "Not measured.\n"
    keep = [n for n, name in enumerate(MAIN_HEAD) if name != "target"]
    rows = [[speed_row(line)[n] for n in keep] for line in chosen]
    return table([MAIN_HEAD[n] for n in keep], rows) + "\n"


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
            f"{m['system']}, no GPU"
        )
    out.append(f"- threads: {', '.join(sorted({str(x['threads']) for x in lines}))}")
    for text in sorted({json.dumps(line["versions"], sort_keys=True) for line in lines}):
        out.append("- " + ", ".join(f"{k} {v}" for k, v in json.loads(text).items()))
    days = sorted(line["when"][:10] for line in lines)
    out.append(f"- measured {days[0]}" + (f" to {days[-1]}" if days[-1] != days[0] else ""))
    return "\n".join(out) + "\n"


def agreement_text(lines: list[Line]) -> str:
    """The worst disagreement over all rows that compared both sides."""
    out = []
    for dtype in ("float32", "bfloat16"):
        rows = [x["agreement"] for x in lines if "agreement" in x and x["dtype"] == dtype]
        if rows:
            worst = max(row["logp_per_token_diff"] for row in rows)
            count = sum(row["replies_compared"] for row in rows)
            out.append(f"{dtype}: {worst:.1e} nats per token over {count} replies")
    return "; ".join(out) or "not compared"


def missing_text(lines: list[Line], rows: Sequence[Any]) -> str:
    """The rows that all.py knows and nobody has measured."""
    left = [row for row in rows if not any(row.measured_by(x) for x in lines if "handrail" in x)]
    if not left:
        return "Every row was measured.\n"
    return "".join(
        f"- {r.shape}{f', {r.turns} turns' if r.shape == 'conversation' else ''}, {r.size}, "
        f"{r.objective}{', one example a turn' if r.trl_examples == 'turn' else ''}, "
        f"{r.mode}, {r.dtype}{', smallest micro-batches' if r.trl_micro else ''}\n"
        for r in left
    )


def write(source: Path, target: Path, rows: Sequence[Any]) -> None:
    """Write the report."""
    lines = read(source)
    both = [line for line in lines if "ratio" in line]
    loud = [
        name_of(x) + f" {x['size']} {x['objective']} {x['dtype']}"
        for x in both
        if max(x["handrail"]["foreign_cores"], x["trl"]["foreign_cores"]) > QUIET_CORES
    ]
    notes = sorted({line["note"] for line in lines if line.get("note")})
    disturbed = "Every row was measured with other work below 0.1 core.\n" if both else ""
    if loud:
        disturbed = (
            "Rows during which other work took more than 0.1 core, so that absolute figures are "
            f"too low (both sides suffer it in turn): {'; '.join(loud)}.\n"
        )
    text = (HERE / "RESULTS.template.md").read_text()
    parts = {
        "SETTING": setting(lines),
        "MAIN": main_table(both),
        "SMALL": small_table(both),
        "TURNS": turns_table(lines),
        "BOUND": bound_table(lines),
        "AGREEMENT": agreement_text(lines),
        "DISTURBED": disturbed + "".join(f"{note}.\n" for note in notes),
        "MISSING": missing_text(lines, rows),
    }
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    target.write_text(text)


if __name__ == "__main__":
    arguments = [Path(x) for x in sys.argv[1:]]
    defaults = [HERE / "results.jsonl", HERE / "RESULTS.md"]
    write(*(arguments + defaults[len(arguments) :]), ROWS)
