"""Records made by language models (guardrails, broken replies, prompts, labels), and filters."""

from handrail.synthesis.ask import Asking, by_reason
from handrail.synthesis.breaking import break_replies
from handrail.synthesis.broken import Broken
from handrail.synthesis.contamination import Contamination, EvaluationText
from handrail.synthesis.filters import (
    Dropped,
    Filter,
    Filtered,
    Length,
    Why,
    record_text,
    run_filters,
)
from handrail.synthesis.forms import CATEGORIES, KINDS
from handrail.synthesis.guardrails import Found, find_guardrails, tag_by_playbooks
from handrail.synthesis.languages import Language, detect
from handrail.synthesis.merging import Merged, merge_guardrails, similar_pairs
from handrail.synthesis.near_duplicates import NearDuplicates
from handrail.synthesis.plan import (
    Planned,
    plan_guardrails,
    plan_points,
    plan_replies,
    plan_tags,
)
from handrail.synthesis.points import Point, choose_points
from handrail.synthesis.preferences import (
    PRINCIPLES,
    Preferred,
    label_preferences,
    preference_requests,
)
from handrail.synthesis.prompts import (
    Domain,
    Made,
    asked_text,
    classify,
    paraphrase,
    paraphrase_requests,
    question_requests,
    write_questions,
)
from handrail.synthesis.scores import (
    Scored,
    score_draws,
    scored_examples,
    write_score_prompts,
)
from handrail.synthesis.texts import paraphrase_texts

__all__ = [
    "CATEGORIES",
    "KINDS",
    "PRINCIPLES",
    "Asking",
    "Broken",
    "Contamination",
    "Domain",
    "Dropped",
    "EvaluationText",
    "Filter",
    "Filtered",
    "Found",
    "Language",
    "Length",
    "Made",
    "Merged",
    "NearDuplicates",
    "Planned",
    "Point",
    "Preferred",
    "Scored",
    "Why",
    "asked_text",
    "break_replies",
    "by_reason",
    "choose_points",
    "classify",
    "detect",
    "find_guardrails",
    "label_preferences",
    "merge_guardrails",
    "paraphrase",
    "plan_guardrails",
    "plan_points",
    "plan_replies",
    "plan_tags",
    "preference_requests",
    "paraphrase_requests",
    "paraphrase_texts",
    "question_requests",
    "record_text",
    "run_filters",
    "score_draws",
    "scored_examples",
    "similar_pairs",
    "tag_by_playbooks",
    "write_questions",
    "write_score_prompts",
]
