"""`handrail prompts`: what language models are asked, to read and to copy."""

from __future__ import annotations

from pathlib import Path

import click

from handrail.cli.console import Console, count
from handrail.cli.verb import Verbs, verb

command = Verbs("prompts", help="What language models are asked: list, show and copy the prompts.")
folder_option = click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    help="A folder of prompts that go before the packaged ones.",
)


@command.add
@verb("handrail prompts list", "handrail prompts list --prompts my-prompts", name="list")
@folder_option
def list_(console: Console, prompts: Path | None) -> None:
    """List the prompts: what each is for, and its version, which records name."""
    from handrail.asking import Prompts, prompt_names

    known = Prompts(prompts)
    rows = [
        {
            "name": name,
            "version": known[name].version,
            "own": known[name].text != Prompts()[name].text,
            "about": known[name].about,
        }
        for name in prompt_names()
    ]
    text = "\n".join(
        f"{row['name']}@{row['version']}{'  (changed)' if row['own'] else ''}\n"
        + click.wrap_text(str(row["about"]), 96, "    ", "    ")
        for row in rows
    )
    console.result({"prompts": rows}, text)


@command.add
@verb("handrail prompts show bins", "handrail prompts show bins --prompts my-prompts")
@click.argument("name")
@folder_option
def show(console: Console, name: str, prompts: Path | None) -> None:
    """Print the prompt NAME as it stands in its file."""
    from handrail.asking import Prompts

    prompt = Prompts(prompts)[name]
    summary = {"name": name, "version": prompt.version, "file": prompt.where, "text": prompt.text}
    console.result(summary, prompt.text.rstrip("\n"))


@command.add
@verb("handrail prompts export my-prompts", "handrail prompts export my-prompts bins helpful")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
def export(console: Console, folder: Path, names: tuple[str, ...]) -> None:
    """Copy the prompts (or those NAMES only) into FOLDER, to be edited.

    Every command that asks a model takes the folder as --prompts. Keep the `{{ data }}` of a prompt
    where the care world shall answer it, and the form of the answer in every case: docs/prompts.md
    says which values a prompt may use and what its answer must hold.
    """
    from handrail.asking import export_prompts

    files = export_prompts(folder, names)
    summary = {"folder": str(folder), "files": [str(file) for file in files]}
    console.result(summary, f"{count(len(files), 'prompt')}: {folder}")
