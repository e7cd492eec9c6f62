"""`handrail reward prepare`: ratings in 0..1 from labels or scales, evened out, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handrail.cli.console import Console, count, table
from handrail.cli.llm import llm_options
from handrail.cli.verb import on_error_option, verb

if TYPE_CHECKING:
    from handrail.rewards.data.balance import Balance
    from handrail.rewards.data.balancing import Augmenter
    from handrail.rewards.data.preparing import Prepared

_RATING_OPTIONS = (
    click.option(
        "--weights",
        metavar="NAME|FILE",
        help="Make all ratings of labels, by these weights: quality, w2, w3, or a YAML file with "
        "lines of `label: number`.  [default: the ratings there are, else the label quality]",
    ),
    click.option(
        "--scaling",
        type=click.Choice(["affine", "raw"]),
        default="affine",
        show_default=True,
        help="Of the weighted sum: brought to 0..1 by the least and most that it can be, or left.",
    ),
    click.option(
        "--scale",
        metavar="LOW..HIGH",
        help="Of the ratings, as in 1..5.  [default: what the turns state, else 0..1]",
    ),
)
_BALANCE_OPTIONS = (
    click.option(
        "--balance",
        "name",
        metavar="NAME",
        default="none",
        help='What to do to uneven ratings, as in "augment + under_s_8k + wgt_s_075": copies of '
        "low ones (over_s), draws from the middle, paraphrases, loss weights.",
    ),
    click.option(
        "--low", type=float, default=0.4, show_default=True, help="Ratings up to it are low."
    ),
    click.option(
        "--high", type=float, default=0.9, show_default=True, help="Ratings from it are high."
    ),
    click.option(
        "--bins",
        type=click.IntRange(min=1),
        default=5,
        show_default=True,
        help="Of the middle, which is drawn from evenly.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of all draws."),
)
_AUGMENT_OPTIONS = (
    click.option(
        "--paraphraser",
        metavar="NAME",
        default="rules",
        show_default=True,
        help="Who paraphrases for `augment`: rules (English), or a language model by its name at "
        "the endpoint; `world` is the care world.",
    ),
    click.option(
        "--embedder",
        metavar="NAME",
        default="ngrams",
        show_default=True,
        help="Of reply and paraphrase, for their similarity: ngrams, or a sentence encoder's "
        "folder or name on the hub.",
    ),
    click.option(
        "--among",
        multiple=True,
        metavar="CODE",
        help="A language that may occur in the replies (ISO 639-1); may be given often.  "
        "[default: all 75]",
    ),
    click.option(
        "--no-languages", is_flag=True, help="Do not compare the languages of the two texts."
    ),
)

_HEADS = {"rating": "Left without a rating", "paraphrase": "Not paraphrased"}  # by kind of skip


def _options(function: Any) -> Any:
    wrapped = on_error_option(llm_options(function))
    for option in reversed((*_RATING_OPTIONS, *_BALANCE_OPTIONS, *_AUGMENT_OPTIONS)):
        wrapped = option(wrapped)
    return wrapped


@verb(
    "handrail reward prepare oasst.jsonl --out ready.jsonl --weights w3",
    'handrail reward prepare oasst.jsonl --out ready.jsonl --balance "augment + under_s_8k + '
    'wgt_s_075"',
    "handrail reward prepare ratings.jsonl --out ready.jsonl --scale 1..5 --on-error skip",
)
@click.argument("file")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="JSON Lines file.")
@_options
def prepare(
    console: Console,
    file: str,
    out: Path,
    name: str,
    on_error: Any,
    **o: Any,
) -> None:
    """Make the turns of FILE ready for reward models: ratings in 0..1, evened out where wanted.

    Says how many replies each range of ratings held before and holds after, and what the turns
    hold for preference models. A reply without a rating never counts as one with 0.
    """
    from handrail.cli import api
    from handrail.cli.files import apart, records_out
    from handrail.cli.skips import tell
    from handrail.records import Loaded
    from handrail.rewards.data.balance import Balance
    from handrail.rewards.data.ranges import Edges

    apart(records_out(out), file)
    method = Balance.parse(name, edges=Edges(o["low"], o["high"]), bins=o["bins"])
    made = api.prepare_rewards(
        file,
        weights=o["weights"],
        scaling=o["scaling"],
        scale=o["scale"],
        balance=method,
        seed=o["seed"],
        augmenter=_augmenter(console, method, o),
        on_error=on_error,
    )
    written = api.write(out, made.turns)
    summary = made.summary | {"out": str(out)}
    lines = [f"{count(written, 'turn')}: {out}", *counts_text(made)]
    told = [skip for skip in made.skipped if skip.what in ("bin", "weight")]
    left_out = [skip for skip in made.skipped if skip not in told]
    tell(console, summary, lines, Loaded(skipped=left_out, warnings=told), _HEADS)


def _augmenter(console: Console, method: Balance, o: dict[str, Any]) -> Augmenter | None:
    """What makes the paraphrases; None where none are wanted.

    Raises:
        SettingError: options of paraphrases where there are none.
    """
    from handrail.cli.llm import given_llm, no_llm
    from handrail.cli.rewarding.preparing import open_augmenter

    rules = o["paraphraser"] == "rules"
    if not method.augment or rules:
        because = "the rules paraphrase" if method.augment else "there is no augment in --balance"
        no_llm(given_llm(dict(o)), because)
    if not method.augment:
        return None
    how = {"languages": o["among"], "detect": not o["no_languages"], "progress": console.progress}
    if rules:
        return open_augmenter("rules", o["embedder"], **how)
    from handrail.cli.synth_work import open_asking

    asking = open_asking(console, o["paraphraser"], o["prompts"], o["llm"])
    return open_augmenter(asking, o["embedder"], **how)


def counts_text(made: Prepared) -> list[str]:
    """The counts for a reader: replies by range before and after, bins, preferences."""
    done, pairs = made.balanced, made.preferences
    before, after, method = done.before, done.after, done.method
    lines = [f"Ratings: {made.how}"]
    if before.rated:
        name = method.name if method.active else "not balanced"
        names = [*method.edges.names, "all rated", "no rating"]
        fields = ("low", "middle", "high", "rated", "unrated")
        weights = [f"{done.weight:.4g}", "1", "1", "", ""]
        rows = [
            (f"  {label}", f"{getattr(before, f):,}", f"{getattr(after, f):,}", weight)
            for label, f, weight in zip(names, fields, weights, strict=True)
        ]
        lines.append(table(rows, (f"  {name}", "before", "after", "loss weight")))
    if done.bins:
        kept = ", ".join(
            f"{b.low:.3g} to {b.high:.3g}: {b.kept:,} of {b.held:,}" for b in done.bins
        )
        lines.append(f"  drawn from the middle: {kept}")
    if method.loss:
        lines.append(f"  the loss is chosen in training: --loss {method.loss}")
    when = ", before balancing" if method.active else ""  # which leaves out and copies pairs too
    told = f"{count(pairs.turns, 'turn')} with {count(pairs.pairs, 'pair')}"
    lines.append(f"For preferences{when}: {told}")
    for n, what in (
        (pairs.one_reply, "one reply only"),
        (pairs.all_tied, "all replies tied"),
        (pairs.without, "nothing that ranks the replies"),
    ):
        if n:
            lines.append(f"  {count(n, 'turn')} without a pair: {what}")
    return lines
