"""The tables of judge.py's lines."""

from __future__ import annotations

from lines import Line, Results, missed, number, table, verdict

OF_LIMIT, AGAIN_S = 0.9, 3.0


def judging(results: Results) -> str:
    """The rates beside the limit and the peer, and the second run from the cache."""
    parts = [rates([x for x in results.judged if x["benchmark"] == "judge"])]
    parts += [cached(x) for x in results.judged if x["benchmark"] == "judge_cached"]
    return "\n".join(parts)


def rates(lines: list[Line]) -> str:
    """One row per line of rates."""
    if not lines:
        return "Not measured yet.\n"
    head = ("requests", "in flight", "latency", "limit", "Handrail", "of the limit", "at most")
    rows = []
    for line in lines:
        low, high = min(line["of_limit_rounds"]), max(line["of_limit_rounds"])
        share = f"{line['of_limit']:.3f} ({low:.3f}–{high:.3f}, {line['rounds']} rounds)"
        rows.append(
            (
                f"{line['requests']:,}",
                str(line["in_flight"]),
                f"{line['latency_ms']:g} ms",
                f"{line['limit_per_s']:g}/s",
                f"{number(line['per_s']['handrail'])}/s",
                f"{share}; {verdict(line['of_limit'], OF_LIMIT, True)}",
                f"{line['at_most']:.3f}",
            )
        )
    notes = [note(line) for line in lines]
    return table(head, rows) + "\n" + "\n".join(notes) + "\n"


def note(line: Line) -> str:
    """The load while a line was measured, and the peer's rates."""
    text = f"- measured {line['when']}, {line['foreign_cores']:g} cores busy with other work"
    for name, times in line.get("times_peer", {}).items():
        workers = "fifty workers" if name.endswith("_50") else "its default"
        text += (
            f"; {line['peer']} with {workers}: {number(line['per_s'][name])}/s, so that Handrail's "
            f"is **{times:g}×**"
        )
    return text


def cached(line: Line) -> str:
    """The second run of many verdicts."""
    late = " (missed)" if missed(line["again_s"], AGAIN_S, False) else ""
    return (
        f"{line['verdicts']:,} verdicts once more, from the cache: **{line['again_s']:g} s** "
        f"(≤ {AGAIN_S:g} s{late}). With the start of a process and the reading of the turns "
        f"{line['again_process_s']:g} s, of which the processor worked "
        f"{line['again_process_cpu_s']:g} s; the first time, against a server without latency, "
        f"{line['first_s']:g} s. Medians of {line['rounds']} rounds, measured {line['when']}, "
        f"{line['foreign_cores']:g} cores busy with other work: "
        "`python benchmarks/judge.py --cached`\n"
    )
