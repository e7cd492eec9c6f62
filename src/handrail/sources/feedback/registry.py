"""The data sets with feedback that Handrail knows by name, with a contract check at the door.

Adding one: a module with `fill(made: Maker, table: Table, options)` and an entry here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handrail.records import Loaded, RecordError, RunError, Skip, Turn, nearest
from handrail.records.store import OnError
from handrail.sources.feedback import (
    hh_rlhf,
    llama_factory,
    oasst,
    pairs,
    prometheus,
    shp,
    stack_exchange,
    star,
    webgpt,
)
from handrail.sources.feedback.hub import hub_tables
from handrail.sources.feedback.maker import Maker, Table
from handrail.sources.feedback.options import Options, options_from
from handrail.sources.tables import table_rows

Fill = Callable[[Maker, Table, Any], None]


@dataclass(frozen=True)
class FeedbackSource:
    """One data set: call it with a file's path to get its turns with their feedback.

    `about` says in a line what it is; `files` what a file of it is; `hub` what it is called on the
    hub; `options` what may be chosen.
    """

    name: str
    about: str
    licence: str
    files: str
    fill: Fill
    options: type[Options] = Options
    hub: tuple[str, ...] = ()

    def __call__(
        self, path: str | Path | Sequence[str | Path], on_error: OnError = "stop", **options: Any
    ) -> Loaded[Turn]:
        """The turns of a file or several, gzip or not; see `load`."""
        chosen = options_from(self.options, options, self.name)
        paths = [Path(p) for p in ([path] if isinstance(path, str | Path) else path)]
        tables = [Table(_name(p), table_rows(p, on_error=on_error), p) for p in paths]
        return self.read(tables, on_error, chosen, ", ".join(map(str, paths)))

    def from_hub(
        self, named: str, split: str | None = None, on_error: OnError = "stop", **options: Any
    ) -> Loaded[Turn]:
        """The turns of a data set of the hub; see `hub.hub_tables` for its name."""
        chosen = options_from(self.options, options, self.name)
        return self.read(hub_tables(named, split), on_error, chosen, named)

    def read(
        self, tables: Iterable[Table], on_error: OnError, options: Options, where: str
    ) -> Loaded[Turn]:
        """The turns of tables; stops where the loader does not keep its contract.

        Raises:
            RecordError: the first bad row, or with on_error="stop" no turn at all; says why.
        """
        made = Maker(self.name, self.licence, on_error)
        for table in tables:
            self.fill(made, table, options)
        loaded = made.loaded()
        check_contract(self.name, loaded)
        if not loaded.records and on_error == "stop":
            why = "; ".join(f"{s.what}: {s.reason} ({s.count:,} x)" for s in loaded.skipped[:3])
            raise RecordError(
                f"no turns with feedback{f' ({why})' if why else ''}",
                f"Check that this is a file of {self.name}, and the options",
                where,
            )
        return loaded


def _name(path: Path) -> str:
    """The file's name without its endings, after its folder's."""
    return f"{path.parent.name}/{path.name.partition('.')[0]}"


FEEDBACK: dict[str, FeedbackSource] = {
    s.name: s
    for s in (
        FeedbackSource(
            "oasst",
            "conversation trees; replies ranked and labelled by people, many languages",
            "Apache-2.0",
            "trees or messages, a row each",
            oasst.fill,
            oasst.OasstOptions,
            ("OpenAssistant/oasst1", "OpenAssistant/oasst2"),
        ),
        FeedbackSource(
            "hh_rlhf",
            "pairs of dialogues, the more helpful or the more harmless one chosen",
            "MIT (a copy of the helpful part: CC BY-NC 4.0)",
            "chosen, rejected",
            hh_rlhf.fill,
            hh_rlhf.HhOptions,
            ("Anthropic/hh-rlhf:helpful-base", "Anthropic/hh-rlhf:harmless-base"),
        ),
        FeedbackSource(
            "webgpt",
            "pairs of answers with graded scores and ties",
            "none stated (a copy: CC BY-NC 4.0)",
            "question, answer_0, answer_1, score_0, score_1; or prompt, answers, scores",
            webgpt.fill,
            webgpt.WebgptOptions,
            ("openai/webgpt_comparisons@refs/convert/parquet",),
        ),
        FeedbackSource(
            "prometheus",
            "answers rated 1 to 5 by rubrics; GPT-4's ratings, no person's",
            "Apache-2.0",
            "instruction, response_source, gpt4_score; or orig_instruction, orig_score, ...",
            prometheus.fill,
            prometheus.PrometheusOptions,
            ("prometheus-eval/Feedback-Collection",),
        ),
        FeedbackSource(
            "llama_factory",
            "pairs after several messages, and single answers marked good or bad",
            "Apache-2.0",
            "conversations, chosen, rejected; or messages, label",
            llama_factory.fill,
            hub=("llamafactory/DPO-En-Zh-20k:en",),
        ),
        FeedbackSource(
            "shp",
            "comments on Reddit posts, compared by votes: for pre-training",
            "Reddit's terms",
            "history, human_ref_A, human_ref_B, score_A, score_B, labels, domain, post_id",
            shp.fill,
            shp.ShpOptions,
            ("stanfordnlp/SHP",),
        ),
        FeedbackSource(
            "stack_exchange",
            "questions with several answers, ranked by votes: for pre-training",
            "CC BY-SA 4.0",
            "question, answers with pm_score, or with votes and accepted",
            stack_exchange.fill,
            stack_exchange.StackOptions,
            ("HuggingFaceH4/stack-exchange-preferences",),
        ),
        FeedbackSource(
            "star",
            "customers' yes and no on whole dialogues with an agent, and playbooks",
            "MIT",
            "train.jsonl.gz or dev.jsonl.gz, guidelines.json beside it",
            star.fill,
            star.StarOptions,
        ),
        FeedbackSource(
            "fine_grained_rlhf",
            "four answers to a question from passages, compared two by two",
            "Apache-2.0",
            "question, passages, prediction 1 to 4, preference",
            pairs.fine_grained_rlhf,
            pairs.QaOptions,
        ),
        FeedbackSource(
            "llmbar",
            "pairs with one agreed label; four adversarial subsets",
            "MIT",
            "input, output_1, output_2, label, subset, idx",
            pairs.llmbar,
        ),
    )
}


def feedback_source(name: str) -> FeedbackSource:
    """A source by name; an unknown name is an error with the nearest right one."""
    if name not in FEEDBACK:
        raise RecordError(f"there is no source of feedback '{name}'", nearest(name, FEEDBACK))
    return FEEDBACK[name]


def load(
    name: str,
    path: str | Path | Sequence[str | Path],
    on_error: OnError = "stop",
    **options: Any,
) -> Loaded[Turn]:
    """The turns of a data set's file, with the feedback that it gives.

    Args:
        name: one of `FEEDBACK`.
        path: JSON Lines, JSON, CSV (gzip or not) or Parquet; or several such files.
        on_error: "stop" at the first bad row, or "skip" and count them. What the data set itself
            marks as of no use (deleted messages, say) is counted in either case.
        options: of the source; `FEEDBACK[name].options` says which.

    Raises:
        RecordError: no such source or file, a bad row, or nothing left to use.
        SettingError: an option that does not exist, or of another type or range.
    """
    return feedback_source(name)(path, on_error, **options)


def check_contract(name: str, loaded: object) -> None:
    """Stop unless this is exactly what a source of feedback must give.

    That is a `Loaded` of `Turn`s with distinct ids, a provenance, the tag `set` and replies; of
    ratings within the tag `scale`; and of `Skip`s.

    Raises:
        RunError: says what is not as agreed.
    """

    def stop(problem: str) -> None:
        raise RunError(
            f"the source '{name}' {problem}",
            "Mend its fill function; see sources/feedback/registry.py",
        )

    if not isinstance(loaded, Loaded):
        stop(f"gave {type(loaded).__name__}, not Loaded")
        return
    seen: set[str] = set()
    for turn in loaded.records:
        if not isinstance(turn, Turn):
            stop(f"gave a {type(turn).__name__} among its turns")
        if turn.id in seen:
            stop(f"gave the id '{turn.id}' twice")
        seen.add(turn.id)
        if not turn.provenance.source or not turn.tags.get("set") or not turn.replies:
            stop(f"gave no provenance, no tag 'set' or no replies for '{turn.id}'")
        _check_ratings(turn, stop)
    for skip in (*loaded.skipped, *loaded.warnings):
        if not isinstance(skip, Skip):
            stop(f"counted a {type(skip).__name__} as skipped")


def _check_ratings(turn: Turn, stop: Callable[[str], None]) -> None:
    """Stop at a rating that is outside of the scale that the turn states."""
    ratings = [reply.rating for reply in turn.replies if reply.rating is not None]
    if not ratings:
        return
    low, dots, high = turn.tags.get("scale", "").partition("..")
    if not dots:
        stop(f"states no scale of the ratings of '{turn.id}'")
        return
    if not all(math.isfinite(r) and float(low) <= r <= float(high) for r in ratings):
        stop(f"gave '{turn.id}' a rating outside of its scale {low}..{high}")
