"""Which language a text is in, by lingua (its models come with the package)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from handrail.records import SettingError, nearest
from handrail.synthesis.filters import Why

_BATCH = 256  # texts at a time, so that progress is shown


@dataclass(frozen=True)
class Language:
    """Keeps texts in the languages given.

    A text is in the language of the highest confidence, where that is at least `confidence`
    (lingua's, 0 to 1 over all languages) and the text has `min_letters` letters; else it is
    undecided. Short texts often are: "OK" is a word of many languages.

    Attributes:
        languages: ISO 639-1 codes, as in "en".
        confidence: below it a text is undecided.
        undecided: whether undecided texts are kept or dropped.
        min_letters: shorter texts are undecided without a look.
        among: the languages that may occur, by code; empty: all that lingua knows. Fewer are
            loaded faster and told apart better.
    """

    languages: tuple[str, ...]
    confidence: float = 0.5
    undecided: Literal["keep", "drop"] = "keep"
    min_letters: int = 20
    among: tuple[str, ...] = ()
    name: str = "language"

    def __post_init__(self) -> None:
        known = language_codes()
        for code in (*self.languages, *self.among):
            if code not in known:
                raise SettingError(f"unknown language '{code}'", nearest(code, known))
        if not self.languages:
            raise SettingError("no language is named", "Name at least one, as in 'en'")
        if not 0 <= self.confidence <= 1:
            raise SettingError(f"{self.confidence} is no confidence", "Give one from 0 to 1")

    def why(
        self, texts: Sequence[str], names: Sequence[str], progress: Callable[[int, int], None]
    ) -> list[Why | None]:
        """Texts that are in another language, or undecided where those are dropped."""
        among = tuple({*self.languages, *self.among}) if self.among else ()
        found = detect(texts, self.min_letters, among, progress)
        whys: list[Why | None] = []
        for code, confidence in found:
            if code is None or confidence < self.confidence:
                guess = f"{code} {confidence:.2f}" if code else "too short"
                undecided = Why("the language is undecided", guess)
                whys.append(undecided if self.undecided == "drop" else None)
            elif code not in self.languages:
                whys.append(Why(f"the language is {code}", f"confidence {confidence:.2f}"))
            else:
                whys.append(None)
        return whys


def detect(
    texts: Sequence[str],
    min_letters: int = 20,
    among: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str | None, float]]:
    """Each text's likeliest language as its ISO 639-1 code, with lingua's confidence.

    (None, 0.0) where a text has fewer than `min_letters` letters. `among`: the languages that may
    occur; empty: all.
    """
    found: list[tuple[str | None, float]] = [(None, 0.0)] * len(texts)
    long = [i for i, text in enumerate(texts) if sum(map(str.isalpha, text)) >= min_letters]
    detector = _detector(tuple(sorted(among))) if long else None
    for start in range(0, len(long), _BATCH):
        part = long[start : start + _BATCH]
        assert detector is not None
        values = detector.compute_language_confidence_values_in_parallel([texts[i] for i in part])
        for i, of_one in zip(part, values, strict=True):
            best = of_one[0]
            found[i] = (best.language.iso_code_639_1.name.lower(), float(best.value))
        if progress is not None:
            progress(min(start + _BATCH, len(long)), len(long))
    return found


@lru_cache(maxsize=1)
def language_codes() -> frozenset[str]:
    """The ISO 639-1 codes of the languages that lingua knows."""
    return frozenset(one.iso_code_639_1.name.lower() for one in _lingua().Language.all())


@lru_cache(maxsize=1)
def _detector(among: tuple[str, ...]) -> Any:
    builder = _lingua().LanguageDetectorBuilder
    if len(among) < 2:  # lingua tells between two or more
        return builder.from_all_languages().build()
    codes = [getattr(_lingua().IsoCode639_1, code.upper()) for code in among]
    return builder.from_iso_codes_639_1(*codes).build()


def _lingua() -> Any:
    try:
        import lingua
    except ImportError:
        raise SettingError(
            "telling languages needs the package lingua-language-detector",
            "pip install 'handrail[filters]'",
        ) from None
    return lingua
