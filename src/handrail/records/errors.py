"""Every error that a user can meet, each with what to do about it.

An error says what is wrong, where (file, line, field), and the mend. The command line prints
`str(error)` and exits with code 2; a traceback therefore always means a defect of Handrail's.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HandrailError(Exception):
    """A problem that the user can mend. `mend` says how, in one sentence."""

    def __init__(self, problem: str, mend: str = "", where: str = "") -> None:
        self.problem, self.mend, self.where = problem, mend, where
        self.told = f"{problem}. {mend}" if mend else problem  # without the place
        super().__init__(f"{where}: {self.told}" if where else self.told)


class RecordError(HandrailError):
    """A line of a data file that is not the record it should be."""


class SettingError(HandrailError):
    """A setting that does not exist or has the wrong type or range."""


class ModelError(HandrailError):
    """A model or tokenizer that cannot be found, loaded or used."""


class RenderError(HandrailError):
    """A conversation that cannot be turned into tokens without loss."""


class RunError(HandrailError):
    """A run that cannot start, go on or be resumed."""


class HandrailWarning(UserWarning):
    """Something that works, but hardly as the user wants it; the text says the mend."""


def unknown_setting(name: str, known: Iterable[str], what: str = "") -> SettingError:
    """The error for a setting that `what` does not have; names the nearest known one."""
    place = f" for {what}" if what else ""
    return SettingError(f"there is no setting '{name}'{place}", nearest(name, known))


def nearest(name: str, known: Iterable[str]) -> str:
    """`Did you mean 'x'?` for the nearest known name, or the list of known names."""
    names = sorted(known)
    close = _close(name, names)
    return f"Did you mean '{close}'?" if close else "Known: " + ", ".join(names)


def nearest_name(name: str, known: Iterable[str]) -> str:
    """As `nearest`, to end a sentence with: `the nearest is 'x'`, or the list of known names."""
    names = sorted(known)
    close = _close(name, names)
    return f"the nearest is '{close}'" if close else "known are " + ", ".join(names)


def _close(name: str, names: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), None)
