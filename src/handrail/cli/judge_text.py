"""What a judging came to, for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handrail.cli.console import count, table
from handrail.judges import NO_REPLY

if TYPE_CHECKING:
    from handrail.cli.judged import Judged
    from handrail.ranking import Estimate, Preferences


def judged_text(judged: Judged, out: str = "", errors: str = "") -> str:
    """The figures, the judge's habits, failures and cost; `out` and `errors` are files written."""
    because = f" ({judged.why})" if judged.why else ""
    lines = [f"{count(judged.turns, 'turn')}, judge: {judged.judge}{because}", ""]
    lines += _rates(judged)
    lines += _wins(judged)
    lines += _grades(judged)
    if judged.habits is not None:
        lines += _habits(judged.habits, judged)
    failed = len(judged.errors)
    if failed:
        kinds = ", ".join(f"{n:,} x {kind}" for kind, n in judged.failures.items())
        is_in = "judgement failed and is" if failed == 1 else "judgements failed and are"
        lines += ["", f"{failed:,} {is_in} in no figure: {kinds}"]
    lines += [
        f"{skip.where}: {skip.count:,} x {skip.what}, {skip.reason}" for skip in judged.skipped
    ]
    if judged.spent is not None:
        from handrail.cli.llm import spent_lines

        lines += ["", *spent_lines(judged.spent)]
    if out:
        written = len(judged.ratings or judged.verdicts)
        lines.append(f"{count(written, 'rating' if judged.ratings else 'verdict')}: {out}")
        lines += [f"Failed judgements: {errors}"] if errors else []
    return "\n".join(lines)


def _rates(judged: Judged) -> list[str]:
    rows = [
        (r.system, r.dimension, _percent(r.estimate), str(r.estimate.n))
        for r in judged.rates
        if r.estimate.n
    ]
    return [table(rows, ("system", "acceptable in", "share (95 %)", "n"))] if rows else []


def _wins(judged: Judged) -> list[str]:
    wins = [w for pair in judged.pairs if pair.n for w in (pair.win_a, pair.win_b)]
    before = [""] if judged.rates else []
    if not wins:
        return [*before, f"No win rates: {_why_none(judged)}"] if judged.pairs else []
    rows = [
        (f"{w.system} against {w.against}", w.dimension, _percent(w.estimate), str(w.estimate.n))
        for w in wins
    ]
    rule = str(wins[0].rule).replace("both acceptable", "both")
    return [*before, table(rows, ("win rate", "dimension", f"{rule} (95 %)", "n"))]


def _why_none(judged: Judged) -> str:
    """Why no pair of systems has a win rate: nothing could be compared, or all of it failed."""
    if all(error.problem.startswith(NO_REPLY) for error in judged.errors):
        return "no two systems replied at the same turn, so that nothing was compared"
    return "every comparison failed"


def _grades(judged: Judged) -> list[str]:
    if not judged.grades:
        return []
    rows = [
        (g.system, g.dimension, _number(g.mean), str(g.mean.n), _counted(g.counts))
        for g in judged.grades
    ]
    low, high = judged.grades[0].low, judged.grades[0].high
    head = ("system", "graded on", f"mean, {low:g} to {high:g} (95 %)", "n", "how often")
    lines = [table(rows, head)]
    span = high - low
    for a, b, paired in judged.differences:
        gap, p = paired.difference, paired.permutation.p_value
        if gap.n:
            lines.append(
                f"{a} less {b}: {gap.value * span:+.2f} ({gap.low * span:+.2f} to "
                f"{gap.high * span:+.2f}), p = {p:.3g}"
            )
    return lines


def _counted(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{label}: {n:,}" for label, n in counts.items())


def _habits(habits: Preferences, judged: Judged) -> list[str]:
    """How the judge bends to order and length; half is no preference for either."""
    rows = [("no preference for either reply", habits.ties, "verdicts")]
    if judged.orders == "both":
        rows.insert(0, ("the two orders disagree (flip rate)", habits.flips, "comparisons"))
    rows += [
        ("for the reply shown first", habits.first, "decided verdicts"),
        ("for the longer reply", habits.longer, "decided verdicts"),
    ]
    shown = [(name, _percent(e), f"{e.n:,} {of}") for name, e, of in rows if e.n]
    lines = ["", table(shown, ("the judge's habits", "share (95 %)", "of"))] if shown else []
    if judged.orders == "random":
        lines.append("Each pair was shown in one order only, drawn per turn: no flip rate.")
    if judged.identical:
        lines.append(f"{count(judged.identical, 'tie')} of identical replies, without asking")
    return lines


def _percent(figure: Estimate) -> str:
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%})"


def _number(figure: Estimate) -> str:
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"
