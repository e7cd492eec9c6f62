"""What several tests read of the sample data once."""

from __future__ import annotations

from pathlib import Path

import pytest

from handrail.records import Conversation
from handrail.sources import star
from handrail.sources.star_guide import Guide
from handrail.sources.star_turns import StarTurns, turns
from tests.data import need


@pytest.fixture(scope="session")
def star_dev_path() -> Path:
    return need("star", "dev.jsonl.gz")


@pytest.fixture(scope="session")
def guide(star_dev_path: Path) -> Guide:
    return star.guide_beside(star_dev_path)


@pytest.fixture(scope="session")
def star_dev(star_dev_path: Path) -> list[Conversation]:
    return star.load(star_dev_path).records


@pytest.fixture(scope="session")
def star_made(star_dev: list[Conversation], guide: Guide) -> StarTurns:
    return turns(star_dev, guide)
