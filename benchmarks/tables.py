"""The tables and lists of RESULTS.md, each from what a results file holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from common import REWARDS
from lines import (
    Measured,
    Results,
    foreign,
    kind,
    memory_target,
    missed,
    number,
    peak_mb,
    ratio,
    speed_target,
    table,
    verdict,
)
from op_kinds import ELSE, KINDS
from rows import GPU_ROWS, Line, Profile, Row

NONE = "Not measured.\n"
SIDES = {"handrail": "Handrail", "trl": "TRL"}
TIMED_STEPS = 5  # of TRL's, that a round should have
QUIET_CORES = 0.1  # foreign load, in cores, up to which a row counts as undisturbed
SPEED_HEAD = (
    "row", "Handrail /s", "TRL /s", "ratio", "target", "peak MB, Handrail / TRL",
    "memory ratio", "target", "foreign cores",
)  # fmt: skip


def by_kind(results: Results, make: Callable[[Results], str]) -> str:
    """One part for each kind of machine under its name; those that come out empty left out."""
    parts = [(name, make(results.on(name))) for name in results.kinds()]
    texts = [f"On {name}:\n\n{text}" for name, text in parts if text]
    return "\n".join(texts) or NONE


def speed_rows(rows: Iterable[Measured]) -> str:
    """Speed and memory beside the targets; nothing without rows."""
    cells = [_speed_row(x) for x in rows]
    return table(SPEED_HEAD, cells) if cells else ""


def _speed_row(x: Measured) -> list[str]:
    line, ours, theirs = x.line, x.line["handrail"], x.line["trl"]
    sft = x.row.objective == "sft"
    key, unit = ("trained_tokens_per_s", " tok") if sft else ("pairs_per_s", "")
    usual = x.row.strict and x.row.row_tokens == 1 and not x.row.checkpointing
    return [
        x.row.what if usual else x.row.name,
        number(ours[key]) + unit,
        number(theirs[key]) + unit,
        ratio(line),
        verdict(line["ratio"], speed_target(x.row), True),
        f"{peak_mb(ours):,.0f} / {peak_mb(theirs):,.0f}",
        f"{line['memory_ratio']:.2f}",
        verdict(line["memory_ratio"], memory_target(x.row), False),
        f"{foreign(line):.2f}",
    ]


def main_table(results: Results) -> str:
    """All rows with whole batches on TRL's side."""
    return by_kind(results, lambda r: speed_rows(x for x in r.measured if not x.row.strict))


def strict_table(results: Results) -> str:
    """Both sides at their smallest micro-batches."""
    return by_kind(results, lambda r: speed_rows(x for x in r.measured if x.row.strict))


def strict_count(results: Results) -> str:
    """How many targets the strict rows miss, in a sentence's end."""
    rows = [x for x in results.measured if x.row.strict]
    if not rows:
        return "none of these rows has been measured yet"
    aims = [(x.line["ratio"], speed_target(x.row), True) for x in rows]
    held = [(x.line["memory_ratio"], memory_target(x.row), False) for x in rows]
    counts = []
    for found in (aims, held):
        asked = [aim for aim in found if aim[1] is not None]
        counts.append(f"{sum(missed(*aim) for aim in asked)} of {len(asked)}")
    return f"there {counts[0]} rows miss their target of speed, and {counts[1]} that of memory"


def both_ways(results: Results) -> str:
    """Rows that were measured against whole batches and against one at a time."""
    whole = {(x.kind, x.row): x for x in results.measured if not x.row.how}
    out = []
    for x in results.measured:
        usual = whole.get((x.kind, x.row.whole))
        if not x.row.strict or usual is None:
            continue
        ours = usual.line["handrail"]["pairs_per_s"]
        batches, single = (y.line["trl"]["pairs_per_s"] for y in (usual, x))
        least = ours / max(batches, single)
        aim = verdict(least, speed_target(x.row), True)
        what = "one pair" if x.row.least_micro == 1 else f"{x.row.least_micro} replies"
        out.append(
            f"- {x.row.what} ({x.kind}): {ours / batches:.3g}× against whole batches, "
            f"{ours / single:.3g}× against {what} at a time; against the faster of the two "
            f"**{least:.3g}×**" + (f" ({aim})" if speed_target(x.row) else "")
        )
    return "\n".join(out) + "\n" if out else NONE


def repeats(results: Results) -> str:
    """How the ratio spread where one row was measured more than once on a kind of machine."""
    out = []
    for x in results.measured:
        if len(x.ratios) > 1:
            values = ", ".join(f"{value:.3g}" for value in x.ratios)
            spread = max(x.ratios) / min(x.ratios) - 1
            out.append(f"- {x.row.name} ({x.kind}): {values}; apart by {spread:.0%}")
    return "\n".join(out) + "\n" if out else "No row was measured more than once.\n"


def named(rows: Iterable[Measured]) -> str:
    """Names of rows, by kind of machine."""
    groups: dict[str, list[str]] = {}
    for x in rows:
        groups.setdefault(x.kind, []).append(x.row.spelled)
    return ". ".join(f"On {name}: {'; '.join(rows)}" for name, rows in groups.items())


def footnotes(results: Results) -> str:
    """Disturbed rows, rows of earlier code, Handrail's micro-batches; one paragraph each."""
    rows = results.measured
    if not rows:
        return ""
    loud = [x for x in rows if foreign(x.line) > QUIET_CORES]
    out = ["Every row was measured with other work below 0.1 core."]
    if loud:
        out = [
            "Rows during which other work took more than 0.1 core, so that absolute figures are "
            f"too low (both sides suffer it in turn). {named(loud)}."
        ]
    short = [x for x in rows if x.line["trl"].get("steps", TIMED_STEPS) < TIMED_STEPS]
    if short:
        out.append(f"Rows of fewer than {TIMED_STEPS} timed steps of TRL's. {named(short)}.")
    early = [x for x in rows if "commit" not in x.line]
    if early:
        which = "all rows of this page" if len(early) == len(rows) else named(early)
        out.append(f"Earlier code, of which no commit was recorded: {which}.")
    commits = sorted({str(x.line["commit"]) for x in rows if x.line.get("commit")})
    if commits:
        out.append(f"Commits of the other rows: {', '.join(commits)}.")
    out += _micro_batches(rows)
    return "\n\n".join(out) + "\n"


def _micro_batches(rows: Sequence[Measured]) -> list[str]:
    sizes: dict[int, list[Measured]] = {}
    for x in rows:
        if "row_tokens" in x.line["handrail"]:
            sizes.setdefault(x.line["handrail"]["row_tokens"], []).append(x)
    if not sizes:
        return []
    groups = [f"{size:,} tokens: {named(found)}" for size, found in sorted(sizes.items())]
    return [f"Where it was recorded, Handrail's micro-batches were full at {'. At '.join(groups)}."]


def turns_table(results: Results) -> str:
    """Cost per pair against the number of turns, and how it grows beside the operations."""
    return by_kind(results, _turns)


def _turns(results: Results) -> str:
    # Of any batch of TRL's: it is shown beside its figures.
    found = [x for x in results.measured if Row(turns=x.row.turns) == replace(x.row, trl_batch=0)]
    if len(found) < 2:
        return ""
    found.sort(key=lambda x: x.row.turns)
    work = _gflop_per_pair(results)
    rows = []
    for x in found:
        ours, theirs = x.line["handrail"], x.line["trl"]
        rows.append(
            [
                str(x.row.turns),
                number(work.get(x.row.turns)),
                number(1000 / ours["pairs_per_s"]),
                number(1000 / theirs["pairs_per_s"]),
                str(x.line["trl_batch"]),
                ratio(x.line),
                f"{peak_mb(ours):,.0f} / {peak_mb(theirs):,.0f}",
            ]
        )
    head = (
        "turns", "GFLOP per pair", "Handrail, ms per pair", "TRL, ms per pair", "TRL's batch",
        "ratio", "peak MB, Handrail / TRL",
    )  # fmt: skip
    return table(head, rows) + "\n" + _growth(found, work)


def _gflop_per_pair(results: Results) -> dict[int, float]:
    for bound in results.bounds:
        if (bound["size"], bound["dtype"]) == ("S", "float32"):
            pairs = bound["gflop_per_pair"].items()
            shapes = {tuple(k.split("/")): v for k, v in pairs}
            return {int(k[1]): v for k, v in shapes.items() if len(k) == 2}
    return {}


def _growth(found: Sequence[Measured], work: dict[int, float]) -> str:
    first, last = found[0], found[-1]
    ms = [1000 / x.line["handrail"]["pairs_per_s"] for x in (first, last)]
    text = (
        f"From {first.row.turns} to {last.row.turns} turns Handrail's time per pair goes from "
        f"{number(ms[0])} to {number(ms[1])} ms, a factor of {ms[1] / ms[0]:.2f}"
    )
    ops = [work.get(x.row.turns) for x in (first, last)]
    if ops[0] and ops[1]:
        text += (
            f"; the operations of a pair go from {number(ops[0])} to {number(ops[1])} GFLOP, "
            f"a factor of {ops[1] / ops[0]:.2f}"
        )
    return text + ".\n"


def bound_table(results: Results) -> str:
    """How near Handrail comes to the rate of the machine's matrix products alone."""
    return by_kind(results, _bounds)


def _bounds(results: Results) -> str:
    bounds = {(x["size"], x["dtype"]): x for x in results.bounds}
    rows = []
    for x in results.measured:
        bound, row = bounds.get((x.row.size, x.row.dtype)), x.row
        # The operations are of pairs (SFT: agent turns) and all weights: adapters need fewer.
        if bound is None or row.objective == "kto" or row.mode != "full" or row.how:
            continue
        shape = row.shape + (f"/{row.turns}" if row.shape == "conversation" else "")
        shape += "/sft" if row.objective == "sft" else ""
        shape += "_scores" if row.objective in REWARDS else ""
        limit = bound["bound_pairs_per_s"].get(shape)
        if limit is None or row.trl_examples == "turn":
            continue
        ours, theirs = (x.line[side]["pairs_per_s"] for side in ("handrail", "trl"))
        rows.append(
            [
                row.what,
                number(bound["gflop_per_pair"][shape]),
                f"{bound['gflops']:.0f}",
                number(limit),
                number(ours),
                f"{ours / limit:.0%}",
                f"{limit / theirs:.3g}×",
            ]
        )
    head = (
        "row", "GFLOP per pair", "GFLOP/s", "ceiling, pairs/s", "Handrail, pairs/s", "share of it",
        "ratio to TRL at the ceiling",
    )  # fmt: skip
    return table(head, rows) if rows else ""


def bound_load(results: Results) -> str:
    """What else ran while the rates of matrix products were measured."""
    known = [x for x in results.bounds if "foreign_cores" in x]
    out = [f"{x['size']} {x['dtype']} on {kind(x)}: {x['foreign_cores']:.2f} cores" for x in known]
    if len(known) < len(results.bounds):
        out.append("of the others not recorded" if out else "not recorded")
    return "; ".join(out) or "not measured"


def profile_table(results: Results) -> str:
    """Each kind of work's share of the time inside operators."""
    return by_kind(results, _profiles)


def _profiles(results: Results) -> str:
    rows, others = [], []
    for x in results.profiles:
        shares, row = x["profile"]["shares"], Row.of(x)
        side = SIDES[x["side"]]
        rows.append(
            [
                f"{row.name}: {side}",
                *(f"{shares.get(name, 0):.0%}" for name in (*KINDS, ELSE)),
                number(1000 * x["seconds_per_pair"]),
                number(x["tokens_per_pair"], 4),
            ]
        )
        largest = ", ".join(f"`{k}` {v:.1%}" for k, v in x["profile"]["others"].items())
        others.append(f"- {row.name}: {side}: {largest}")
    if not rows:
        return ""
    head = ("row", *KINDS, ELSE, "ms per pair", "tokens per pair")
    return table(head, rows) + f"\nLargest of {ELSE}:\n\n" + "\n".join(others) + "\n"


MEMORY_KINDS = ("libraries", "parameters", "gradients", "optimizer", "rest")


def memory_table(results: Results) -> str:
    """The peak by kind, of rows that miss their target of memory."""
    return by_kind(results, _memory)


def _memory(results: Results) -> str:
    rows = []
    for x in results.measured:
        if not missed(x.line["memory_ratio"], memory_target(x.row), False):
            continue
        for side, name in SIDES.items():
            parts = _parts(x, Profile(x.row, side), results.profiles)
            if parts:
                cells = [f"{parts[part]:,.0f}" for part in MEMORY_KINDS]
                rows.append([f"{x.row.name}: {name}", *cells, f"{sum(parts.values()):,.0f}"])
    return table(("row", *MEMORY_KINDS, "peak"), rows) if rows else ""


def _parts(x: Measured, profile: Profile, lines: Iterable[Line]) -> dict[str, float]:
    """The peak by kind from the row's own line, else from a profile of it."""
    own: dict[str, float] | None = x.line[profile.side].get("memory_mb")
    if own:
        return own
    return next((line["memory_mb"] for line in lines if profile.measured_by(line)), {})


def missing(results: Results, rows: Sequence[Row], profiles: Sequence[Profile]) -> str:
    """The rows that all.py knows and nobody has measured, each with the reason."""
    done = {x.row for x in results.measured}
    known = results.newest
    emulated = known is not None and "no bfloat16" in str(known["machine"]["vectors"])
    on_gpu = done & set(GPU_ROWS)
    out = []
    for row in (*rows, *(GPU_ROWS if on_gpu else ())):
        if row not in done:
            native = row.dtype == "bfloat16" and row.device == "cpu" and emulated
            reason = "needs a CPU with native bfloat16" if native else "not run yet"
            out.append(f"- {row.name}: {reason}")
    sides: dict[str, list[str]] = {}
    for p in profiles:
        if not any(p.measured_by(x) for x in results.profiles):
            sides.setdefault(p.row.name, []).append(SIDES[p.side])
    if sides:
        names = "; ".join(f"{name} ({', '.join(found)})" for name, found in sides.items())
        out.append(f"- where time and memory go, not run yet: {names}")
    if not on_gpu:
        out.append(
            f"- no GPU figure exists yet: {len(GPU_ROWS)} rows at real scale (GPT-2 medium and a "
            "Llama of 1.2 billion parameters, bfloat16) need a machine with CUDA "
            "(`python benchmarks/all.py --device cuda`)"
        )
    return "\n".join(out) + "\n" if out else "Every row was measured.\n"


def commands(results: Results, units: Callable[[Row], int]) -> str:
    """The command of each row, of each profile and of the ceiling, as they were run."""
    out = []
    for x in results.measured:
        given = x.line.get("units")
        extra = [] if given in (None, units(x.row)) else [f"--units {given}"]
        out.append(_command("train.py", x.row, *extra, f"--rounds {x.line['rounds']}", "--json"))
    out += [_command("profile_step.py", Row.of(x), f"--side {x['side']}") for x in results.profiles]
    sizes = dict.fromkeys((x["size"], x.get("device", "cpu")) for x in results.bounds)
    for device in dict.fromkeys(device for _, device in sizes):
        names = ",".join(size for size, where in sizes if where == device)
        where = "" if device == "cpu" else f" --device {device}"
        out.append(f"python benchmarks/bound.py --sizes {names}{where}")
    text = "\n".join(dict.fromkeys(out))
    return f"```bash\n{text}\n```\n" if out else NONE


def _command(script: str, row: Row, *extra: str) -> str:
    return " ".join([f"python benchmarks/{script}", *row.options(), *extra])
