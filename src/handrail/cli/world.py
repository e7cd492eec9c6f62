"""`handrail world`: the built-in care world, its data and its base model."""

from __future__ import annotations

from pathlib import Path

import click

from handrail.cli.console import Console, count
from handrail.cli.serve import serve
from handrail.cli.verb import Verbs, assignments, set_option, verb

command = Verbs(
    "world",
    help="The built-in care world: conversations with playbooks, their training turns, an oracle "
    "that judges exactly, and a small base model.",
)

out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="JSON Lines file."
)
n_option = click.option(
    "--conversations",
    "n",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="How many.",
)
seed_option = click.option("--seed", type=int, default=0, show_default=True)


@command.add
@verb("handrail world generate --conversations 200 --out talks.jsonl")
@n_option
@seed_option
@out_option
def generate(console: Console, n: int, seed: int, out: Path) -> None:
    """Write conversations with playbooks: conversation i of a seed is always the same."""
    from handrail import world
    from handrail.cli.files import records_out
    from handrail.records import write_jsonl

    written = write_jsonl(records_out(out), world.generate(n, seed))
    text = f"{count(written, 'conversation')}: {out}"
    console.result({"conversations": written, "out": str(out)}, text)


@command.add
@verb("handrail world train-turns --conversations 200 --seed 1 --out turns.jsonl")
@n_option
@seed_option
@out_option
def train_turns(console: Console, n: int, seed: int, out: Path) -> None:
    """Write turns with a chosen reply and a rejected one that breaks a guardrail."""
    from handrail import world
    from handrail.cli.files import records_out
    from handrail.records import write_jsonl

    records_out(out)  # before the work
    turns = world.training_turns(n, seed)
    pairs = sum(1 for turn in turns for _ in turn.pairs())
    write_jsonl(out, turns)
    summary = {"conversations": n, "turns": len(turns), "pairs": pairs, "out": str(out)}
    text = f"{count(len(turns), 'turn')} with {count(pairs, 'pair')}: {out}"
    console.result(summary, text)


@command.add
@verb(
    "handrail world feedback --turns 1000 --replies 4 --seed 1 --out feedback.jsonl",
    "handrail world feedback --turns 200 --noise 0.3 --annotators 1 --seed 2 --out noisy.jsonl",
)
@click.option(
    "--turns",
    "n",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="How many.",
)
@click.option(
    "--replies", type=int, default=4, show_default=True, help="At each turn, of every quality."
)
@click.option(
    "--noise",
    type=float,
    default=0.15,
    show_default=True,
    help="Of the annotators, on the scale 0 to 1; 0: they all see the truth.",
)
@click.option(
    "--annotators", type=int, default=3, show_default=True, help="How many see each turn."
)
@click.option(
    "--truth",
    is_flag=True,
    help="Write the true quality of each reply too, as its label `truth`: for data to judge "
    "reward models with, never to train them on.",
)
@seed_option
@out_option
def feedback(
    console: Console,
    n: int,
    replies: int,
    noise: float,
    annotators: int,
    truth: bool,
    seed: int,
    out: Path,
) -> None:
    """Write turns with replies that simulated annotators ranked, rated and labelled.

    The annotators see each reply's true quality through noise; most ratings lie in the middle, as
    people's do. Data to train on and to test on need different seeds.
    """
    from handrail import world
    from handrail.cli.care import feedback_counts
    from handrail.cli.files import records_out
    from handrail.records import write_jsonl

    records_out(out)  # before the work
    made = world.feedback_turns(
        n,
        replies,
        noise=noise,
        annotators=annotators,
        seed=seed,
        truth_label=truth,
        progress=console.progress,
    )
    write_jsonl(out, made.turns)
    found = feedback_counts(made)
    text = (
        f"{count(n, 'turn')} with {replies} replies each: {out}\n"
        f"Ratings: {found['low']:.1%} up to 0.4, {found['middle']:.1%} between, "
        f"{found['high']:.1%} from 0.9\n"
        f"Of {count(found['pairs'], 'pair')}, {found['right']:.1%} are in the order of the truth"
    )
    console.result(found | {"turns": n, "replies": replies, "out": str(out)}, text)


@command.add
@verb(
    "handrail world pretrain --out base",
    "handrail world pretrain --out small --conversations 2000 --set layers=2 --set width=128",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option(
    "--conversations",
    "n",
    type=click.IntRange(min=1),
    help="How many.  [default: as packaged]",
)
@set_option
def pretrain(console: Console, out: Path, n: int | None, settings: tuple[str, ...]) -> None:
    """Build the base model again: tokenizer and a small Llama, on the world's unfiltered agents.

    Stopped at any moment, the same command goes on. A model that is in the folder already stays
    there until the new one is whole.
    """
    from handrail.cli import api

    console.folder = out
    console.kept = f"Checkpoints are kept in {out}; the same command goes on from the newest."
    summary = api.pretrain_world(out, n, assignments(settings), progress=console.progress)
    text = (
        f"{summary['parameters'] / 1e6:.2f}M parameters, {summary['tokens'] / 1e6:.1f}M tokens, "
        f"loss {summary['loss']}: {out}"
    )
    console.result(summary | {"out": str(out)}, text)


@command.add
@verb("handrail world check", "handrail world check --conversations 500 --seed 7 --json")
@n_option
@seed_option
def check(console: Console, n: int, seed: int) -> None:
    """Let the oracle grade the world's own replies: the chosen must pass, the rejected must not."""
    from handrail.cli import api
    from handrail.records import RunError

    found = api.check_world(n, seed, progress=console.progress)
    text = (
        f"{found['turns']} turns: {found['chosen_kept']} chosen replies keep every guardrail, "
        f"{found['rejected_broken']} rejected ones break what they are marked with"
    )
    console.result(found, text)
    if found["wrong"]:
        raise RunError(
            f"{len(found['wrong'])} replies are graded otherwise than they were made "
            f"({', '.join(found['wrong'][:3])})",
            "Report it with the seed: the world contradicts itself",
        )


@command.add
@verb("handrail world show", "handrail world show --seed 3 --index 12")
@seed_option
@click.option(
    "--index",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which conversation; the first is 0.",
)
def show(console: Console, seed: int, index: int) -> None:
    """Show one conversation with its playbook and the guardrails that each reply broke."""
    from handrail import world
    from handrail.cli.peek import conversation_text

    conversation = world.generate(1, seed, start=index)[0]
    console.result(conversation.model_dump(mode="json"), conversation_text(conversation))


command.add(serve)
