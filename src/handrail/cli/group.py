"""The command `handrail`: finds the verb, runs it, and turns every outcome into an exit code.

Start-up is part of the interface: `--help` loads click and nothing else, a verb's `--help` loads
that verb's file, and a verb imports what it works with only when it runs.

Exit codes: 0 done, 1 a defect of Handrail's, 2 a problem that the user can mend, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from handrail import __version__
from handrail.cli.console import Console

VERBS = {
    "run": "Run a recipe from data to report.",
    "data": "Convert, import, export, check, look at and filter records.",
    "synthesize": "Let a language model make training data.",
    "train": "Train a model on turns with feedback.",
    "reward": "Reward models: data, training, scores, judging, choice.",
    "generate": "Write a model's replies to turns.",
    "judge": "Judge replies of two or more systems at the same turns.",
    "judge-eval": "Measure judges by comparisons that people judged too.",
    "rank": "Rank systems by verdicts, with intervals.",
    "power": "How many test items a wanted difference needs.",
    "report": "Write a run's report again.",
    "chat": "Talk to a model under a playbook and see what it breaks.",
    "world": "The built-in care world: conversations, playbooks, base model.",
    "prompts": "What language models are asked: list, show and copy the prompts.",
    "doctor": "Say what this machine can do.",
}

TOUR = (
    "handrail run quickstart --out runs/first",
    "handrail run --list",
    "handrail chat --model world",
    "handrail doctor",
)


class LazyGroup(click.Group):
    """A group that imports a verb's file only when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, from its own file; None for an unknown verb."""
        if cmd_name not in VERBS:
            return None
        return importlib.import_module(f"handrail.cli.{cmd_name.replace('-', '_')}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown verb is answered with the nearest known one."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from difflib import get_close_matches

            close = get_close_matches(args[0], VERBS, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else "Known: " + ", ".join(VERBS)
            raise click.UsageError(f"No such command '{args[0]}'. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table above: no verb's file is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        with formatter.section("Examples"):
            formatter.write_dl([(line, "") for line in TOUR])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="handrail")
def handrail() -> None:
    """Train conversation bots that keep to their guardrails, and prove it."""


def invoke(args: Sequence[str]) -> int:
    """Run one command line; returns the exit code and never raises."""
    console = Console()
    # Handrail's own progress tells the time left; a second kind of bar would break its lines.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        with _warnings_as_notes(console):
            handrail.main(list(args), prog_name="handrail", obj=console, standalone_mode=False)
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        console.close()
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        console.close()
        console.error(f"Stopped. {console.kept}".rstrip())
        return 130
    except BrokenPipeError:  # the reader (head, less) went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        console.close()
        return _failed(console, error)
    finally:
        console.close()


@contextmanager
def _warnings_as_notes(console: Console) -> Iterator[None]:
    """Show Handrail's own warnings as one line on stderr, above the bars; others as ever."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        from handrail.records.errors import HandrailWarning

        if issubclass(category, HandrailWarning):
            console.warn(f"Warning: {message}")
        else:
            before(message, category, *rest, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def _failed(console: Console, error: Exception) -> int:
    """One message for what the user can mend (2); anything else is a defect (1)."""
    from handrail.records.errors import HandrailError

    if isinstance(error, HandrailError):
        if console.debug:
            console.traceback()
        console.error(f"Error: {error}")
        return 2
    mend = _outside(error)
    if mend and not console.debug:
        console.error(f"Error: {error}. {mend}")
        return 2
    console.defect(error)
    return 1


def _outside(error: Exception) -> str:
    """The mend for a failure of the machine rather than of the program; empty for all others."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return "The disk is full: free some space; files that were whole are still whole"
        if error.errno in (errno.EACCES, errno.EROFS):
            return "Choose a place that you may write to"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "Out of memory: lower the token budget, use LoRA or bfloat16, or a smaller model"
    return ""
