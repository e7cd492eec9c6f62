"""The nouns, their files, the protocols and the errors. Imports nothing of Handrail's."""

from handrail.records.checks import Check, CheckResult, When
from handrail.records.errors import (
    HandrailError,
    HandrailWarning,
    ModelError,
    RecordError,
    RenderError,
    RunError,
    SettingError,
    nearest,
)
from handrail.records.judged import DIMENSIONS, Assessment, JudgeError, Outcome, Verdict
from handrail.records.protocols import (
    Assessor,
    Embedder,
    Judge,
    Sample,
    Sampler,
    SamplingParams,
    Scorer,
)
from handrail.records.store import Loaded, atomic_write, read_jsonl, write_jsonl
from handrail.records.types import (
    Conversation,
    Guardrail,
    Message,
    Playbook,
    Provenance,
    Reply,
    Skip,
    Turn,
    content_id,
)

__all__ = [
    "DIMENSIONS",
    "Assessment",
    "Assessor",
    "Check",
    "CheckResult",
    "Conversation",
    "Embedder",
    "Guardrail",
    "HandrailError",
    "HandrailWarning",
    "Judge",
    "JudgeError",
    "Loaded",
    "Message",
    "ModelError",
    "Outcome",
    "Playbook",
    "Provenance",
    "RecordError",
    "RenderError",
    "Reply",
    "RunError",
    "Sample",
    "Sampler",
    "SamplingParams",
    "Scorer",
    "SettingError",
    "Skip",
    "Turn",
    "Verdict",
    "When",
    "atomic_write",
    "content_id",
    "nearest",
    "read_jsonl",
    "write_jsonl",
]
