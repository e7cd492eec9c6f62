"""Ratings on a scale, 1 to 5, say, brought to 0..1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from handrail.records import Reply, SettingError, Turn
from handrail.records.store import OnError
from handrail.rewards.data.rated import UNIT, Rated, rate_each


@dataclass(frozen=True)
class Scale:
    """From the worst rating to the best: 1 to 5, say. Turns state it as tags["scale"] "1..5"."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Scale:
        """The scale that "1..5" or "1,5" names.

        Raises:
            SettingError: anything else, or a best that is not above the worst.
        """
        ends = text.replace("..", ",").split(",")
        try:
            low, high = (float(end) for end in ends)
        except ValueError:
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise SettingError(
                f"'{text}' is no scale", "Write the worst and the best rating, as in 1..5"
            )
        return cls(low, high)

    @property
    def name(self) -> str:
        """As turns state it."""
        return f"{self.low:g}..{self.high:g}"

    def unit(self, value: float) -> float | None:
        """A rating on the scale as a share of it, 0 the worst; None where it is not on it."""
        if not self.low <= value <= self.high:  # also NaN
            return None
        return (value - self.low) / (self.high - self.low)


def stated_scale(turn: Turn, unstated: Scale | None = None) -> Scale:
    """The scale that a turn's tag states; `unstated`, or 0..1, where it has none.

    Raises:
        SettingError: the tag is no scale; names the turn.
    """
    text = turn.tags.get("scale", "")
    try:
        return Scale.parse(text) if text else unstated or Scale.parse(UNIT)
    except SettingError as error:
        raise SettingError(error.problem, error.mend, f"turn '{turn.id}', tags.scale") from None


def rate_by_scale(
    turns: Iterable[Turn],
    scale: str | Scale | None = None,
    *,
    on_error: OnError = "stop",
    labels: str = "",
) -> Rated:
    """The turns with ratings in 0..1, from those that they have on a scale.

    Args:
        turns: with `Reply.rating`, on the scale that their tag "scale" states; without one the
            ratings are in 0..1 already.
        scale: of the ratings of turns that state none.
        on_error: a rating that is NaN or outside the scale, or a reply without one: "stop", or
            "skip" leaves the reply without a rating and counts it.
        labels: a label in 0..1 that rates the replies which have no rating ("quality", say).

    Raises:
        SettingError: a scale that is none, or another than turns state.
        RecordError: a rating that is not on its scale, or none; names turn, reply and value.
    """
    listed = list(turns)
    scales = _scales(listed, Scale.parse(scale) if isinstance(scale, str) else scale)
    given = labelled = 0

    def rating(turn: Turn, reply: Reply) -> float | str:
        nonlocal given, labelled
        if reply.rating is None:
            labelled += labels in reply.labels
            without = "the reply has no rating" + (f" and no label '{labels}'" if labels else "")
            return reply.labels.get(labels, without)
        given += 1
        on = scales[turn.tags.get("scale", "")]
        value = on.unit(reply.rating)
        if value is None:
            return f"the rating {reply.rating:g} is not on the scale {on.name}"
        return value

    found = rate_each(listed, rating, on_error)
    names = sorted({scale.name for scale in scales.values()})
    ways = [f"as given, on {' and '.join(names)}"] * (given > 0)
    ways += [f"from the label {labels}"] * (labelled > 0)
    found.how = ", else ".join(ways)
    return found


def _scales(turns: Sequence[Turn], given: Scale | None) -> dict[str, Scale]:
    """The scales that turns state, by their text; "" where they state none.

    Raises:
        SettingError: a text that is no scale, or another one than `given`.
    """
    scales: dict[str, Scale] = {}
    for turn in turns:
        text = turn.tags.get("scale", "")
        if text in scales:
            continue
        stated = stated_scale(turn, given)
        if given not in (None, stated):
            raise SettingError(
                f"the turn states the scale {stated.name}, not {given.name}",
                "Leave the scale out, or mend the turn's tag",
                f"turn '{turn.id}', tags.scale",
            )
        scales[text] = stated
    return scales
