"""What a scorer's raw score says as a rating in 0..1."""

from __future__ import annotations

import math

from handrail.records.errors import SettingError

# What a model was trained with whose score is a rating's log-odds, and whose is the rating itself.
_LOG_ODDS = ("rating/logistic", "rating/sigmoid_mse")
_RATINGS = ("rating/mse", "rating/constant")


def sigmoid(score: float) -> float:
    """The probability of log-odds; NaN stays NaN."""
    low = math.exp(-abs(score)) if not math.isnan(score) else score
    return 1 / (1 + low) if score >= 0 else low / (1 + low)


def as_rating(score: float, trained_with: str, name: str) -> float:
    """A raw score as a rating in 0..1, by what the scorer `name` was trained with.

    Raises:
        SettingError: it learnt preferences, whose scores have no zero of their own, or does not say
            that it learnt ratings.
    """
    if trained_with in _LOG_ODDS:
        return sigmoid(score)
    if trained_with in _RATINGS:
        return score
    raise SettingError(
        f"the scores of '{name}' are no ratings: it was trained with "
        f"'{trained_with or 'nobody said what'}'",
        "Use its raw scores, or a model that learnt ratings",
    )
