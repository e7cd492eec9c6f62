"""Settings of the flows. Rates and budgets that are not given follow from the model."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from handrail.recipes.systems import PAPER_RATES
from handrail.records import nearest

# The packaged model has 3.7 million parameters, so it needs (and bears) larger steps than a 7B one.
# Chosen on development conversations, never on test ones; see docs/results.md.
WORLD_RATES = {"sft": 3e-4, "ipo": 5e-5, "kto_pair": 2e-5, "kto": 2e-5, "dpo": 2e-5}
# Of reward models below SMALL parameters. With all weights MiniLM did best at 2e-4 (1e-4 and 4e-4
# were tried) on pairs and ratings kept back from training; that of adapters was not measured.
SMALL_REWARD_RATES = {"full": 2e-4, "lora": 1e-3}
SMALL = 100_000_000  # parameters below which the paper's learning rates are too small
BETAS = dict.fromkeys(("ipo", "kto_pair", "kto", "dpo"), 0.1)

SCRATCH = "scratch"  # the model that a flow makes from nothing

# Training seeds lie below: the care world draws the turns of a seed's training, of its feedback and
# of all tests from seeds of its own, which would meet from there on.
SEEDS = 499_000


# Adapters want about ten times the rate of full fine-tuning (Schulman and others 2025, "LoRA
# Without Regret"). The paper's rate of SFT is as high already.
LORA_RATES = {n: rate if n == "sft" else 10 * rate for n, rate in PAPER_RATES.items()}


def default_rates(parameters: int, mode: str = "full") -> dict[str, float]:
    """Learning rates by objective for a model of this size: the world's, or the paper's for 7B.

    Under LoRA the paper's rates of alignment are ten times as high.
    """
    if parameters < SMALL:
        return WORLD_RATES
    return LORA_RATES if mode == "lora" else PAPER_RATES


def reward_rate(parameters: int, mode: str = "full") -> float:
    """The learning rate of a reward model of this size, whatever its loss.

    The combined-rewards thesis has 5e-5 for adapters on 7 billion parameters (its table 5), Ouyang
    et al. 2022 (arXiv 2203.02155, appendix C.2) 9e-6 for all weights of 6 billion. Small models
    want more; see docs/rewards.md.
    """
    if parameters < SMALL:
        return SMALL_REWARD_RATES["lora" if mode == "lora" else "full"]
    return 5e-5 if mode == "lora" else 9e-6


def _rate(value: Any) -> bool:
    """Whether this is, or reads as, a finite number above 0."""
    try:
        return 0 < float(value) < math.inf
    except (TypeError, ValueError, OverflowError):
        return False


class FlowSettings(BaseModel):
    """What a flow runs on and how. Shown in the run's config.json, all resolved.

    Attributes:
        model: "world" (packaged), a hub name, a folder, or "scratch": a small model trained from
            nothing on the training conversations, once, and kept in the run's folder.
        conversations: a file of turns or conversations; empty is the care world.
        test_conversations: a file to test on, whose conversations are left out of the training;
            empty splits `conversations` by conversation.
        playbook: a playbook file for conversations or turns that have none.
        guidelines: STAR's guidelines.json, for turns with STAR's tags: next-action accuracy, and
            rejected replies by its flow charts. Empty: the one beside a raw STAR file, if any.
        split: "conversation", or "task": STAR's tasks that are kept for the test are unseen in
            training (see sources.star.held_out_tasks).
        llm: a language model that finds the guardrails of conversations, writes replies that break
            them, and judges: its name at an OpenAI-compatible endpoint, or {"model": NAME, ...}
            with how it is reached and what may be spent (base_url, key_env, in_flight, max_cost,
            max_requests, prices, prompts, ...; docs/endpoints.md). "world": the care world plays
            it, over HTTP; then also faults, those of `handrail world serve`. Empty: the world's
            own turns and oracle, or a playbook's checks.
        on_error: "stop" at the first bad record of a file, or "skip" bad records; the report counts
            them.
        train_points, feedback_points: turns to train on, in whole conversations. In the care world
            each has a better and a worse reply; of a file, those that have none serve SFT alone.
        test_turns: turns that every system answers.
        recall_turns: test turns whose true reply is ranked among 99 others; 0 is none.
        seeds, first_seed: training seeds; all are tested on the same turns.
        mode: "full" or "lora".
        dtype: of the computation. "auto" is bfloat16 where the device computes it natively, else
            float32; a run's folder keeps what it began with, on any machine.
        style: of the prompts: "guardrail" (the paper's fig. 1), "chat" (the tokenizer's chat
            template), or "auto", what the tokenizer states (docs/trees.md).
        batch_size: pairs (or replies) per optimiser step.
        token_budget: tokens of the largest tree.
        on_long: what to do with a prompt and reply over the budget or the model's positions, and
            with a test prompt that leaves no room for `reply_tokens`: "refuse" (an error, before
            anything is trained), "skip" (left out), "cut_context" (its oldest messages left out).
        learning_rates: by objective (sft, ipo, kto_pair, kto, dpo); the rest follow from the size
            of the model: the world's below 100 million parameters, else the paper's for 7 billion,
            under LoRA ten times as high but for sft.
        betas: by objective (ipo, kto_pair, kto, dpo): how strongly it is held to its reference;
            0.1 where not given.
        temperature, reply_tokens: of the replies that are judged.
        threads: of all seeds that run at once; 0 takes all cores.
        parallel: how many seeds run at once, each in a process with its share of the threads. 0 is
            one a thread on the CPU for models below 100 million parameters, else one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(default="world", min_length=1)
    conversations: str = ""
    playbook: str = ""
    guidelines: str = ""
    split: Literal["conversation", "task"] = "conversation"
    test_conversations: str = ""
    llm: dict[str, Any] = Field(default_factory=dict)
    on_error: Literal["stop", "skip"] = "stop"
    train_points: int = Field(default=1600, ge=8)
    feedback_points: int = Field(default=4500, ge=8)
    test_turns: int = Field(default=400, ge=2)
    recall_turns: int = Field(default=0, ge=0)
    seeds: int = Field(default=3, ge=1)
    first_seed: int = Field(default=0, ge=0, lt=SEEDS)
    mode: Literal["full", "lora"] = "full"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    style: Literal["auto", "guardrail", "chat"] = "auto"
    batch_size: int = Field(default=8, ge=2)
    token_budget: int = Field(default=8192, ge=64)
    on_long: Literal["refuse", "skip", "cut_context"] = "refuse"
    learning_rates: dict[str, float] = Field(default_factory=dict)
    betas: dict[str, float] = Field(default_factory=dict)
    temperature: float = Field(default=0.7, ge=0, allow_inf_nan=False)
    reply_tokens: int = Field(default=96, ge=1)
    threads: int = Field(default=0, ge=0, le=1024)
    parallel: int = Field(default=0, ge=0, le=1024)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_values(cls, value: Any) -> Any:
        """No setting of a flow is yes or no, and `true` would pass as the number 1."""
        if isinstance(value, bool):
            raise ValueError("this is true or false; give a number or a text")
        return value

    @field_validator("llm", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """A name alone is the model's; among other options it must be there."""
        if isinstance(value, str):
            return {"model": value} if value else {}
        if isinstance(value, dict) and value and not isinstance(value.get("model"), str):
            raise ValueError('it names no model; write {"model": NAME, ...}')
        return value

    @field_validator("learning_rates", "betas", mode="before")
    @classmethod
    def _known_objectives(cls, value: Any, info: ValidationInfo) -> Any:
        """Numbers of objectives that exist, each finite and above 0."""
        if not isinstance(value, dict):
            return value
        what, known = "learning rate", list(PAPER_RATES)
        if info.field_name == "betas":
            what, known = "beta", list(BETAS)
        for name, number in value.items():
            if name in PAPER_RATES and name not in known:
                raise ValueError(f"'{name}' has no {what}; leave it out")
            if name not in known:
                raise ValueError(f"there is no objective '{name}'. {nearest(str(name), known)}")
            if isinstance(number, bool) or not _rate(number):
                raise ValueError(f"the {what} of '{name}' must be a number above 0")
        return value

    @model_validator(mode="after")
    def _last_seed(self) -> Self:
        if self.first_seed + self.seeds > SEEDS:
            raise ValueError(f"first_seed and seeds go past {SEEDS:,}; lower first_seed")
        return self


class QuickstartSettings(FlowSettings):
    """The flow in small: two seeds, SFT and SFT→IPO, minutes on two cores."""

    train_points: int = Field(default=1600, ge=8)
    test_turns: int = Field(default=500, ge=2)
    seeds: int = Field(default=2, ge=1)
