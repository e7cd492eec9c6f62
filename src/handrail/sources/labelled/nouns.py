"""A data set of labels: turns with the replies of systems, and who said what of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from handrail.records import JudgeError, Rating, Skip, Turn, Verdict


@dataclass(frozen=True)
class Labelled:
    """What one data set holds.

    `turns` have the replies that there are texts of, authored by system; their `conversation_id`
    is the prompt and the tag `subset` the part of the set. Judges of `verdicts` and `ratings` are
    "human" or "human:NAME" for people, and plain names for programs ("gpt4"). `errors` are
    judgements that such a program failed to give. `lengths` counts the characters of each reply
    that was judged, by turn and system, with or without its text. `skipped` was left out,
    `warnings` was read all the same.
    """

    name: str
    turns: tuple[Turn, ...]
    verdicts: tuple[Verdict, ...]
    ratings: tuple[Rating, ...]
    errors: tuple[JudgeError, ...]
    lengths: Mapping[tuple[str, str], int]
    skipped: tuple[Skip, ...]
    warnings: tuple[Skip, ...]

    def judges(self) -> Iterator[str]:
        """Everyone who judged, each once, in the order of the data."""
        said: list[Verdict | Rating | JudgeError] = [*self.verdicts, *self.ratings]
        yield from dict.fromkeys(one.judge for one in (*said, *self.errors))


def is_by(judge: str, who: str) -> bool:
    """Whether a judge is `who` or one of them: "human:58" is by "human"."""
    return judge == who or judge.startswith(f"{who}:")
