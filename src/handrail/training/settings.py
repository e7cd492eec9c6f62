"""The trainer's settings, and a reader of settings that names the nearest right name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from handrail.records import SettingError, unknown_setting

if TYPE_CHECKING:
    from handrail.objectives.types import Reads

S = TypeVar("S")

# Section V.C of the guardrail-alignment paper, for models of 7 billion parameters; DPO is not in
# it and gets IPO's. Those of reward models are of the combined-rewards thesis (table 5, LoRA).
PAPER_LEARNING_RATES = {
    "sft": 5e-4,
    "ipo": 2e-6,
    "dpo": 2e-6,
    "kto": 5e-7,
    "kto_pair": 5e-7,
    "bradley_terry": 5e-5,
    "rating": 5e-5,
}

# Short prompts on the benchmark's model S: 2,048 tokens are 5 % faster and take 70 MB more, 1,024
# are 10 % slower and take 70 MB less. Longer conversations are larger than either.
# A reward model has no logits of a vocabulary: on it 720 tokens are as fast as 1,440 and take 70 MB
# less.
CPU_ROW_TOKENS: dict[Reads, int] = {"logps": 1536, "scores": 1024}

SHOWN = 100  # characters of a wrong value in an error


class TrainSettings(BaseModel):
    """How a policy is trained. See docs/training.md for the units.

    Attributes:
        learning_rate: peak rate; None is the paper's for the objective, meant for 7B models; the
            commands choose one by the model's size and `mode`.
        batch_size: an optimiser step takes whole trees until it holds at least this many pairs
            (DPO, IPO, KTO-pair), judged replies (KTO), best replies (SFT), prompts with ranked
            replies (Bradley-Terry) or rated replies (rating).
        epochs: passes over the forest.
        max_steps: stop after this many steps at the latest.
        token_budget: tokens of the largest tree, and of the largest micro-batch.
        row_tokens: a micro-batch takes more whole trees while they fit into this many tokens (a
            larger tree goes alone); changes memory and speed, not the result. None is 1,536 on a
            CPU (reward models: 1,024), where larger ones cost memory and give no speed, and
            `token_budget` on an accelerator.
        schedule: of the learning rate after the warm-up, down to `final_rate` of the peak.
        warmup: share of the steps in which the rate grows from near 0.
        final_rate: what linear and cosine end at, as a share of the peak.
        weight_decay: of matrices (AdamW); norms and biases have none.
        beta1, beta2, epsilon: AdamW's.
        max_grad_norm: gradients are scaled down to this norm; 0 leaves them.
        shuffle: trees in a new order each epoch.
        seed: of the order and of dropout.
        checkpoint_every: steps between checkpoints; 0 makes none.
        keep_checkpoints: newest checkpoints that are kept.
        drop_checkpoints: remove them once the final model is written.
        eval_every: steps between evaluations; 0 is the end of each epoch.
        patience: evaluations without a better loss after which the run stops; 0 never stops. With
            it, the final model is the best one evaluated.
        trackers: names that accelerate knows ("tensorboard", "wandb", ...).
        reference_dir: where reference log-probabilities are kept; None is in the run's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    learning_rate: float | None = Field(default=None, gt=0.0)
    batch_size: int = Field(default=8, ge=1)
    epochs: int = Field(default=1, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    token_budget: int = Field(default=8192, ge=1)
    row_tokens: int | None = Field(default=None, ge=1)
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: float = Field(default=0.1, ge=0.0, le=1.0)
    final_rate: float = Field(default=0.0, ge=0.0, le=1.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0)
    epsilon: float = Field(default=1e-8, gt=0.0)
    max_grad_norm: float = Field(default=1.0, ge=0.0)
    shuffle: bool = True
    seed: int = Field(default=0, ge=0, lt=2**32)
    checkpoint_every: int = Field(default=100, ge=0)
    keep_checkpoints: int = Field(default=2, ge=1)
    drop_checkpoints: bool = True
    eval_every: int = Field(default=0, ge=0)
    patience: int = Field(default=0, ge=0)
    trackers: tuple[str, ...] = ()
    reference_dir: str | None = None

    def rate_for(self, objective: str) -> float:
        """The peak learning rate: as set, or the paper's for this objective.

        Raises:
            SettingError: no rate is set and the paper has none for the objective.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        if objective not in PAPER_LEARNING_RATES:
            raise SettingError(
                f"there is no default learning rate for '{objective}'", "Set learning_rate"
            )
        return PAPER_LEARNING_RATES[objective]

    def row_tokens_on(self, device: str, reads: Reads = "logps") -> int:
        """The tokens at which a micro-batch is full.

        Args:
            device: its type ("cpu", "cuda").
            reads: what the objective reads of the model.
        """
        if self.row_tokens is not None:
            return self.row_tokens
        return CPU_ROW_TOKENS[reads] if device == "cpu" else self.token_budget

    def shaping(self) -> dict[str, Any]:
        """The settings that decide the result: those that a resumed run must share."""
        free = {"checkpoint_every", "keep_checkpoints", "drop_checkpoints", "trackers"}
        return self.model_dump(mode="json", exclude=free | {"reference_dir"})


def settings_from(kind: type[S], values: Mapping[str, Any], what: str = "") -> S:
    """Settings of a class (pydantic or dataclass) from names and values, as a file gives them.

    `what`: what the settings are for, as an error calls it ("the recipe flow1").

    Raises:
        SettingError: a name that the class does not have (with the nearest one), or a value of
            the wrong type or out of range.
    """
    known = _names(kind)
    for name in values:
        if name not in known:
            raise unknown_setting(str(name), known, what)
    try:
        made = TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        if first["type"] == "missing":
            raise SettingError(f"'{path}' is missing{more}", "Give it a value") from None
        message = first["msg"].removeprefix("Value error, ")
        if not path:  # refused by the class as a whole
            raise SettingError(message, "Change this setting") from None
        raise SettingError(
            f"'{path}' cannot be {_shown(first.get('input'))}{more}",
            f"{message[0].upper()}{message[1:]}",
        ) from None
    for name, value in values.items():
        _check_number(kind, name, value, getattr(made, name))
    return made


def _check_number(kind: type, name: str, given: Any, value: Any) -> None:
    """Refuse what passes as a number and is none to reckon with."""
    if isinstance(given, bool):
        annotation = get_type_hints(kind)[name]
        kinds = get_args(annotation) or (annotation,)
        if bool not in kinds and not {int, float}.isdisjoint(kinds):
            raise SettingError(f"'{name}' cannot be {given}", "Give a number, not true or false")
    elif isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"'{name}' cannot be {_shown(given)}", "Give a finite number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise SettingError(f"'{name}' cannot be {_shown(given)}", "Give a smaller number")


def _shown(value: Any) -> str:
    """A value as an error shows it, however long it is."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _names(kind: type) -> list[str]:
    if issubclass(kind, BaseModel):
        return list(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return [f.name for f in dataclasses.fields(kind) if f.init]
    raise TypeError(f"{kind.__name__} is neither a pydantic model nor a dataclass")
