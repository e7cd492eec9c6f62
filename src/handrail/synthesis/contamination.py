"""Training texts that an evaluation set holds too, by shared n-grams of words.

As for GPT-3 (Brown et al. 2020, appendix C): words in small letters without punctuation, 13 in a
row. Texts of fewer words are looked for whole, an evaluation's in the training texts and the other
way round; those of fewer than `short` words are held against whole texts only, as they would be
found anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from handrail.records import SettingError
from handrail.synthesis.filters import Why

_WORD = re.compile(r"\w+")
_TOLD = 500
Gram = tuple[str, ...]


def words_of(text: str) -> list[str]:
    """Words in small letters, without punctuation."""
    return _WORD.findall(text.casefold())


@dataclass(frozen=True)
class EvaluationText:
    """One text of an evaluation set: the file and record that hold it."""

    text: str
    file: str
    record: str


@dataclass
class Contamination:
    """Drops texts that share `n` words in a row with a text of an evaluation set.

    Attributes:
        evaluation: the texts to keep out of training.
        n: words in a row.
        short: from this many words on, a text of fewer than `n` is looked for within others.
    """

    evaluation: Sequence[EvaluationText]
    n: int = 13
    short: int = 6
    name: str = "contamination"
    _words: list[list[str]] = field(init=False, repr=False)
    _grams: dict[int, dict[Gram, int]] = field(init=False, repr=False, default_factory=dict)
    _whole: dict[int, dict[Gram, int]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.n < 1 or self.short < 1:
            raise SettingError("an n-gram has at least one word", "Give 1 or more, such as 13")
        self._words = [words_of(one.text) for one in self.evaluation]
        for i, words in enumerate(self._words):
            self._whole.setdefault(len(words), {}).setdefault(tuple(words), i)

    def why(
        self, texts: Sequence[str], names: Sequence[str], progress: Callable[[int, int], None]
    ) -> list[Why | None]:
        """The evaluation text that a text meets, with the words that they share."""
        whys: list[Why | None] = []
        for i, text in enumerate(texts):
            whys.append(self._meets(words_of(text)))
            if (i + 1) % _TOLD == 0 or i + 1 == len(texts):
                progress(i + 1, len(texts))
        return whys

    def _meets(self, words: list[str]) -> Why | None:
        if not words:
            return None
        equal = self._whole.get(len(words), {}).get(tuple(words))
        if equal is not None:
            return self._told(equal, words)
        if len(words) >= self.n:
            hit = self._in(words, self.n, self._of_length(self.n))
        elif len(words) >= self.short:
            hit = self._in(words, len(words), self._of_length(len(words)))
        else:
            hit = None
        for length in range(min(self.n - 1, len(words)), self.short - 1, -1):
            hit = hit or self._in(words, length, self._whole.get(length, {}))
        return hit

    def _in(self, words: list[str], length: int, grams: dict[Gram, int]) -> Why | None:
        """The first run of `length` words that is in `grams`."""
        if grams:
            for start in range(len(words) - length + 1):
                met = grams.get(tuple(words[start : start + length]))
                if met is not None:
                    return self._told(met, words[start : start + length])
        return None

    def _of_length(self, length: int) -> dict[Gram, int]:
        """Every run of `length` words of the evaluation's texts, made when first needed."""
        if length not in self._grams:
            grams: dict[Gram, int] = {}
            for i, words in enumerate(self._words):
                for start in range(len(words) - length + 1):
                    grams.setdefault(tuple(words[start : start + length]), i)
            self._grams[length] = grams
        return self._grams[length]

    def _told(self, met: int, words: Sequence[str]) -> Why:
        one = self.evaluation[met]
        return Why(f"it meets {one.file}", f"{one.record}: “{' '.join(words)}”")
