"""What `handrail reward prepare` does: turns with feedback made ready for reward models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.files import as_turns, read_config
from handrail.cli.places import placed
from handrail.records import Loaded, SettingError, Skip, Turn
from handrail.records.store import OnError, ending

if TYPE_CHECKING:
    from handrail.rewards.data.augment import Detector
    from handrail.rewards.data.balance import Balance
    from handrail.rewards.data.balancing import Augmenter
    from handrail.rewards.data.labels import LabelWeights, Scaling
    from handrail.rewards.data.preparing import Prepared
    from handrail.synthesis import Asking

Progress = Callable[[str, int, int], None]  # (stage, done, total)


def prepare_rewards(
    data: str | Path | Iterable[Turn] | Loaded[Any],
    *,
    weights: str | Path | Mapping[str, float] | LabelWeights | None = None,
    scaling: Scaling = "affine",
    scale: str | None = None,
    balance: str | Balance = "none",
    seed: int = 0,
    augmenter: Augmenter | None = None,
    on_error: OnError = "stop",
) -> Prepared:
    """Turns with ratings in 0..1, evened out where wanted; what there was before is counted.

    made = handrail.prepare_rewards("oasst.jsonl", balance="augment + under_s_8k + wgt_s_075")
    handrail.write("ready.jsonl", made.turns)

    Args:
        data: turns with ratings, labels or ranks, or a file of them.
        weights: of labels, which then make all ratings: "quality", "w2", "w3", a mapping from
            label to weight, or a YAML file of one. None: the ratings that there are, and for
            replies without one their label `quality`.
        scaling: "affine" brings the weighted sum to 0..1 by the smallest and largest that it can
            be; "raw" leaves it.
        scale: of the ratings, as in "1..5", where the turns do not state it (tags["scale"]).
        balance: what is done to uneven ratings: a name as in "over_s + under_s_8k + wgt_s_05", or
            a `handrail.rewards.data.balance.Balance`, which also sets edges and bins.
        seed: of all draws.
        augmenter: makes the paraphrases for `augment`; by default by rules, see `open_augmenter`.
        on_error: "stop" at a bad line and at a reply without a valid rating, or "skip" the line,
            leave the reply unrated, and count both.

    Raises:
        HandrailError: a bad line or reply, an unknown label, weight, scale or method, or nothing
            to balance.
    """
    from handrail.rewards.data.balance import Balance
    from handrail.rewards.data.preparing import prepare

    # What can be wrong without a look at the data is told before it is read.
    method = Balance.parse(balance) if isinstance(balance, str) else balance
    chosen = named_weights(weights, scaling)
    read = as_turns(data, on_error)
    if method.augment and augmenter is None:
        augmenter = open_augmenter()
    with placed(read.file):
        made = prepare(
            read.records,
            weights=chosen,
            scale=scale,
            method=method,
            seed=seed,
            augmenter=augmenter,
            on_error=on_error,
        )
    made.skipped[:0] = read.skipped
    return made


def named_weights(
    weights: str | Path | Mapping[str, float] | LabelWeights | None, scaling: Scaling
) -> LabelWeights | None:
    """Label weights from a preset's name, a file or a mapping; None for none.

    Raises:
        SettingError: none of these.
    """
    from handrail.rewards.data.labels import PRESETS, LabelWeights, label_weights

    if weights is None:
        return None
    if isinstance(weights, Path | str) and weights not in PRESETS:
        if ending(weights) not in (".yaml", ".yml", ".json") and not Path(weights).exists():
            return label_weights(str(weights))  # tells what there is
        try:
            return LabelWeights(read_config(weights), Path(weights).stem, scaling)
        except SettingError as error:
            raise SettingError(error.problem, error.mend, error.where or str(weights)) from None
    return label_weights(weights if not isinstance(weights, Path) else str(weights), scaling)


@dataclass(frozen=True)
class ModelParaphraser:
    """Paraphrases of replies by a language model that is asked with the prompt `paraphrase`."""

    asking: Asking
    progress: Progress

    @property
    def name(self) -> str:
        """The model's."""
        return self.asking.model.name

    def paraphrase(self, texts: Sequence[str]) -> list[str | Skip]:
        """One paraphrase of each text, or why there is none."""
        from handrail.synthesis import paraphrase_texts

        return paraphrase_texts(texts, self.asking, self.progress)


def open_augmenter(
    paraphraser: str | Asking = "rules",
    embedder: str | Path = "ngrams",
    *,
    languages: Sequence[str] = (),
    detect: bool = True,
    progress: Progress | None = None,
) -> Augmenter:
    """What makes paraphrases of low replies and adjusts their ratings.

    Args:
        paraphraser: "rules" (English, without a model), the name of a language model ("world" is
            the care world), or a model with its prompts (`handrail.synthesis.Asking`).
        embedder: "ngrams" (without a model), or a sentence encoder's folder or name on the hub.
        languages: those that may occur, by code (fewer are told apart faster); none: all.
        detect: tell the languages of reply and paraphrase, by lingua (extra `filters`).
        progress: called as (stage, done, total).

    Raises:
        HandrailError: a model or package that is not there, an unknown language.
    """
    from handrail.rewards.data.augment import NgramEmbedder, augmenter
    from handrail.rewards.data.paraphrases import Paraphraser, RuleParaphraser

    chosen: Paraphraser
    if paraphraser == "rules":
        chosen = RuleParaphraser()
    else:
        from handrail.cli.synth_prompting import asking_of

        asking = asking_of(paraphraser, None) if isinstance(paraphraser, str) else paraphraser
        chosen = ModelParaphraser(asking, progress or _quiet)
    detector = _detector(languages, progress or _quiet) if detect else None
    if str(embedder) == "ngrams":
        return augmenter(chosen, NgramEmbedder(), detector)
    from handrail.models.embedding import load_embedder

    return augmenter(chosen, load_embedder(embedder), detector)


def _detector(languages: Sequence[str], progress: Progress) -> Detector:
    """What tells languages, as `data filter` does."""
    from handrail.records import nearest
    from handrail.synthesis.languages import detect, language_codes

    known = language_codes()  # also tells where lingua is not installed
    for code in languages:
        if code not in known:
            raise SettingError(f"unknown language '{code}'", nearest(code, known))
    if len(languages) == 1:
        raise SettingError(
            "one language alone cannot be told from others", "Name two or more, or none"
        )
    tell = partial(progress, "languages")
    return lambda texts: detect(texts, among=tuple(languages), progress=tell)


def _quiet(stage: str, done: int, total: int) -> None:
    pass
