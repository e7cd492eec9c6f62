"""Public data that some tests read; where a file is absent, its tests skip and say which one."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / "../shared/data"


def need(*parts: str) -> Path:
    """A data file, or a skip that says which one is absent."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"sample data absent: {'/'.join(parts)}")
    return path
