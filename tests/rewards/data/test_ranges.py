"""Low, middle and high ratings: the thesis's ranges, their edges, their counts."""

from __future__ import annotations

import pytest

from handrail.records import SettingError
from handrail.rewards.data.ranges import Edges, RangeCounts
from tests.rewards.data.rated_turns import rated_turns


def test_the_ranges_of_the_thesis() -> None:
    edges = Edges()
    assert [edges.of(x) for x in (0.0, 0.4, 0.41, 0.89, 0.9, 1.0)] == [
        *("low", "low", "middle", "middle", "high", "high")
    ]
    assert [edges.of(x) for x in (0.4042, 0.8958)] == ["middle", "middle"]
    assert edges.middle == (0.41, 0.89)
    assert edges.names == ("0.4 and below", "between 0.4 and 0.9", "0.9 and above")


def test_counts_leave_no_reply_out() -> None:
    counts = RangeCounts.of(rated_turns([(0.1, 0.5, None), (0.4, 0.9, 0.95, 0.6)]), Edges())
    assert counts == RangeCounts(low=2, middle=2, high=2, unrated=1)
    assert counts.rated == 6


def test_a_narrow_middle_has_bins_within_it() -> None:
    low, high = Edges(0.5, 0.52).middle
    assert 0.5 < low < high < 0.52


@pytest.mark.parametrize("edges", [(0.9, 0.4), (0.4, 0.4), (-0.1, 0.5), (0.5, 1.1)])
def test_edges_that_cannot_be(edges: tuple[float, float]) -> None:
    with pytest.raises(SettingError, match="the middle cannot reach"):
        Edges(*edges)
