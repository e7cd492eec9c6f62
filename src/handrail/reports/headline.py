"""What was found, in plain words with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from handrail.ranking import Estimate, SeedDifference
from handrail.reports.html import Safe, join, tag
from handrail.reports.numbers import linear, n_text, p_text, percent, points, span
from handrail.reports.svg import Svg

_KEEPS = {
    "adherence": "replies within the guardrails",
    "naturalness": "natural replies",
    "hallucination": "replies that invent nothing",
}


@dataclass(frozen=True)
class Finding:
    """One sentence with its number. A `difference` is drawn against zero, a `share` from 0 to 1.

    `clear`: whether the difference may be coloured as a gain or a loss.
    """

    sentence: str
    estimate: Estimate
    kind: Literal["difference", "share"] = "difference"
    detail: str = ""
    clear: bool = False


def gain_finding(
    aligned: str, against: str, found: SeedDifference, dimension: str = "adherence"
) -> Finding:
    """Say what a difference (aligned minus against) shows, as it comes out.

    An interval over seeds and prompts that holds zero is "no gain shown"; one below zero is a
    loss and called so; where the permutation test does not agree with the interval, the sentence
    says that it is not certain. The detail gives the two rates, the test and Student's interval
    over seeds.
    """
    gap, pooled = found.pooled.difference, found.pooled
    what = _KEEPS.get(dimension, f"acceptable replies ({dimension})")
    if gap.n == 0:
        sentence = f"{aligned} and {against} could not be compared on {dimension}."
        return Finding(sentence, gap, "difference", "No prompt has a judged reply of both.")
    size = points(abs(gap.value)).removeprefix("+")
    if gap.excludes_zero:
        way = "more" if gap.low > 0 else "fewer"
        sentence = f"{aligned} gives {size} points {way} {what} than {against}"
        sentence += "." if pooled.clear else ", but the test is not certain of it."
    else:
        sentence = f"No gain shown: {aligned} and {against} do not differ clearly in {what}."
    detail = (
        f"{percent(pooled.a.value)} against {percent(pooled.b.value)}. Difference "
        f"{points(gap.value)}, {gap.level:.0%} interval {span(gap, signed=True)}; "
        f"{p_text(pooled.permutation.p_value)}; {n_text(gap.n)} paired replies."
    )
    return Finding(sentence, gap, "difference", f"{detail} {_seeds(found)}", pooled.clear)


def _seeds(found: SeedDifference) -> str:
    """How the single training seeds went."""
    count = len(found.per_seed)
    if count < 2:
        return "One training seed: luck of the seed is not in the interval."
    gained = sum(one.difference.value > 0 for one in found.per_seed)
    over = span(found.over_seeds, signed=True)
    return f"{gained} of {count} training seeds gained; over seeds alone {over} (Student)."


@dataclass(frozen=True)
class Headline:
    """The findings as cards, and remarks on what they do not show."""

    findings: Sequence[Finding]
    remarks: Sequence[str] = ()
    title: str = "What was found"

    def html(self) -> Safe:
        """Cards, most important first."""
        cards = [_card(finding) for finding in self.findings]
        remarks = [tag("li", remark) for remark in self.remarks]
        return join(
            [
                tag("div", *cards, class_="cards") if cards else None,
                tag("ul", *remarks, class_="remarks") if remarks else None,
            ]
        )


def _card(finding: Finding) -> Safe:
    one = finding.estimate
    mood = "flat"
    if finding.clear:
        mood = "up" if one.low > 0 else "down"
    big = points(one.value) if finding.kind == "difference" else percent(one.value)
    unit = "points" if finding.kind == "difference" and one.n else ""
    return tag(
        "article",
        tag("p", big, tag("small", f" {unit}") if unit else None, class_="big"),
        _whisker(finding) if one.n else None,
        tag("p", finding.sentence, class_="sentence"),
        tag("p", finding.detail, class_="note") if finding.detail else None,
        class_=f"card {mood}",
    )


def _whisker(finding: Finding) -> Safe:
    """The interval on a line; for a difference with zero marked."""
    one = finding.estimate
    low, high = (0.0, 1.0)
    if finding.kind == "difference":
        reach = max(abs(one.low), abs(one.high), 0.01) * 1.15
        low, high = -reach, reach
    x = linear(low, high, 8, 252)
    svg = Svg(260, 34, f"{finding.sentence} {finding.detail}")
    svg.line(8, 12, 252, 12, "axis")
    if finding.kind == "difference":
        svg.line(x(0), 3, x(0), 21, "zero")
        svg.text(x(0), 28, "0", "tick", "middle")
    svg.line(x(one.low), 12, x(one.high), 12, "whisker")
    for end in (one.low, one.high):
        svg.line(x(end), 8, x(end), 16, "whisker")
    svg.circle(x(one.value), 12, 5, "dot", span(one, finding.kind == "difference"))
    return svg.done()
