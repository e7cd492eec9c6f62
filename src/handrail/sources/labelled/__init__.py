"""Replies that people, or language models, compared and rated: what judges are judged by.

`LABELLED` in `registry` names the data sets that `handrail judge-eval` knows; see
docs/judge-eval.md.
"""

from handrail.sources.labelled.nouns import Labelled
from handrail.sources.labelled.registry import LABELLED, LabelledSource, present

__all__ = ["LABELLED", "Labelled", "LabelledSource", "present"]
