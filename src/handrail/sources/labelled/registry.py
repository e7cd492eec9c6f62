"""The labelled data sets that Handrail knows by name, with a contract check at the door.

Adding one: a module with `fill(made: Maker)` and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handrail.records import (
    JudgeError,
    Rating,
    RecordError,
    RunError,
    Skip,
    Turn,
    Verdict,
)
from handrail.records.store import OnError
from handrail.sources.labelled import (
    alpaca_eval,
    llmbar,
    llmfao,
    own,
    pandalm,
    prometheus,
    vicuna,
)
from handrail.sources.labelled.maker import Maker
from handrail.sources.labelled.nouns import Labelled, is_by


@dataclass(frozen=True)
class LabelledSource:
    """One data set: call it with the folder that holds its files.

    `about` says in a line what it is; `files` what must lie in the folder, gzip or not; `by` whose
    labels judges are compared with: "human", or a program where no person labelled it.
    """

    name: str
    about: str
    licence: str
    files: tuple[str, ...]
    fill: Callable[[Maker], None]
    by: str = "human"

    def __call__(self, folder: str | Path, on_error: OnError = "stop") -> Labelled:
        """The labels; stops where the loader does not keep its contract.

        Args:
            folder: holds `files`, each as it is or as `.gz`.
            on_error: "stop" at the first bad row, or "skip" and count them.

        Raises:
            RecordError: a file that is missing or another one's; names line, field and mend.
        """
        made = Maker(self.name, self.licence, Path(folder), on_error)
        self.fill(made)
        labelled = made.labelled()
        check_contract(labelled, self.by)
        return labelled

    def lies_in(self, folder: str | Path) -> bool:
        """Whether the first of its files is there."""
        first = Path(folder) / self.files[0]
        return first.exists() or first.with_name(f"{first.name}.gz").exists()


LABELLED: dict[str, LabelledSource] = {
    s.name: s
    for s in (
        LabelledSource(
            "llmbar",
            "885 pairs with one agreed label, no ties; four adversarial subsets",
            "MIT",
            ("pairs.jsonl",),
            llmbar.fill,
        ),
        LabelledSource(
            "pandalm",
            "999 pairs of five models, three annotators each; GPT-3.5 and PandaLM",
            "Apache-2.0",
            ("testset_3annotators.jsonl",),
            pandalm.fill,
        ),
        LabelledSource(
            "llmfao",
            "2,139 pairs of 59 models, 124 workers, ties; GPT-3.5 and GPT-4",
            "CC BY 4.0",
            (
                "crowd-comparisons.csv",
                "gpt3-crowd-comparisons.csv",
                "gpt4-crowd-comparisons.csv",
                "prompts.jsonl",
                "results.jsonl",
            ),
            llmfao.fill,
        ),
        LabelledSource(
            "vicuna",
            "80 questions, 80 human verdicts on one pair; 1,040 reviews by GPT-4",
            "Apache-2.0; human labels: none stated",
            (
                "gpt4_reviews.jsonl",
                "human_labels_gpt35_vs_vicuna13b.jsonl",
                "answers.jsonl",
                "questions.jsonl",
            ),
            vicuna.fill,
        ),
        LabelledSource(
            "alpaca_eval",
            "805 instructions, GPT-4's preferences between seven models and two references",
            "CC BY-NC 4.0",
            ("annotations.jsonl", "outputs.jsonl"),
            alpaca_eval.fill,
            "gpt4",
        ),
        LabelledSource(
            "prometheus",
            "640 answers rated 1 to 5 by rubrics, three times each by GPT-4",
            "Apache-2.0",
            ("vicuna_eval.jsonl", "mt_bench_eval.jsonl"),
            prometheus.fill,
            "gpt4",
        ),
        LabelledSource(
            "own",
            "your own turns with replies, and verdicts of people on them",
            "the user's own",
            ("verdicts.jsonl", "turns.jsonl"),
            own.fill,
        ),
    )
}


def present(folder: str | Path) -> list[str]:
    """The names of the sets that lie in a folder, each in a folder of its own name.

    Raises:
        RecordError: no such folder, or none of them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RecordError("there is no such folder", "Check the path", str(folder))
    found = [name for name, source in LABELLED.items() if source.lies_in(folder / name)]
    if not found:
        raise RecordError(
            "no labelled data set lies here",
            f"It holds a folder for each, named after it: {', '.join(LABELLED)}",
            str(folder),
        )
    return found


def check_contract(labelled: object, by: str) -> None:
    """Stop unless this is exactly what a labelled source must give.

    That is a `Labelled` of turns with distinct ids, of labels on these turns, some of them by
    `by`, and of `Skip`s.

    Raises:
        RunError: says what is not as agreed.
        RecordError: nobody of `by` judged anything.
    """

    def stop(problem: str) -> None:
        raise RunError(problem, "Mend its fill function; see sources/labelled/registry.py")

    if not isinstance(labelled, Labelled):
        stop(f"a labelled source gave {type(labelled).__name__}, not Labelled")
        return
    name = f"the labelled source '{labelled.name}'"
    ids: set[str] = set()
    for turn in labelled.turns:
        if not isinstance(turn, Turn) or turn.id in ids:
            stop(f"{name} gave {turn!r:.40} among its turns, or twice")
        ids.add(turn.id)
    said: list[Verdict | Rating | JudgeError] = [*labelled.verdicts, *labelled.ratings]
    for one in (*said, *labelled.errors):
        if one.turn not in ids or not one.judge:
            stop(f"{name} gave a label of no turn or nobody: {one!r:.80}")
        if (one.turn, one.a) not in labelled.lengths:
            stop(f"{name} tells no length of {one.a} at {one.turn}")
    for skip in (*labelled.skipped, *labelled.warnings):
        if not isinstance(skip, Skip):
            stop(f"{name} counted a {type(skip).__name__} as skipped")
    if not any(is_by(judge, by) for judge in labelled.judges()):
        raise RecordError(
            f"no label is by '{by}'", f"Let people's labels have the judge '{by}'", labelled.name
        )
