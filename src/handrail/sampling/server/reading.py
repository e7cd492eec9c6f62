"""Readings of free text."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.asking import TextReading


@dataclass(frozen=True)
class CutText(TextReading):
    """A text of which what came before `max_tokens` is an answer too (its `finish` says so)."""
