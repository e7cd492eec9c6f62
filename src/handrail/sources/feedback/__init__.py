"""Public data sets of replies with feedback: ranks, ratings, labels, votes; as turns.

`FEEDBACK` in `registry` names the data sets that `handrail data feedback` knows; see
docs/sources.md.
"""

from handrail.sources.feedback.registry import FEEDBACK, FeedbackSource, load

__all__ = ["FEEDBACK", "FeedbackSource", "load"]
