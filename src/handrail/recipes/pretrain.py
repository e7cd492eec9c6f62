"""A small base model from scratch: tokenizer, Llama, plain language modelling.

What `handrail world pretrain` runs to rebuild the packaged model, and what the STAR recipe runs on
the training dialogues. It is the one loop beside the trainer: every token after the playbook is
trained, and nothing but the playbook is shared (rows.py).

Matrices are trained by Muon (Jordan et al., 2024), embeddings and norms by AdamW; the learning
rate warms up over the first 2 % of the steps and then falls linearly to zero.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from handrail import world
from handrail.models import ModelSettings, Policy, resolve_dtype
from handrail.models.load import from_scratch
from handrail.recipes.model_folder import ModelFolder
from handrail.recipes.muon import Muon
from handrail.recipes.rows import AGENT, TEXT, Row, Step, batch_of, encode, epoch_steps
from handrail.recipes.run import Progress, quiet
from handrail.recipes.small_model import PretrainSettings, new_model, train_tokenizer
from handrail.records import Conversation, ModelError, SettingError
from handrail.training.lock import run_lock
from handrail.trees import Renderer, TreeBatch
from handrail.trees.styles import guardrail_head

# What the packaged model was made from: no conversation that a recipe uses. More of the rules that
# wait for their moment than elsewhere, because each is rare; four conversations to a playbook.
WORLD_CONVERSATIONS, WORLD_SEED = 24_000, 770_001
WORLD = world.WorldSettings(guardrails=(5, 9), every=0.5, waiting=0.12, shared=4)


def optimisers(model: torch.nn.Module, settings: PretrainSettings) -> list[torch.optim.Optimizer]:
    """Muon, in the settings' resolved dtype, for the layers' matrices; AdamW for the rest."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    known = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in known]
    return [
        Muon(
            matrices,
            lr=settings.muon_lr,
            weight_decay=settings.weight_decay,
            dtype=getattr(torch, settings.dtype),
        ),
        torch.optim.AdamW(others, lr=settings.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def pretrain(
    conversations: Sequence[Conversation],
    settings: PretrainSettings,
    out: Path,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Train tokenizer and model on whole conversations; `out` gets a transformers folder.

    Resumes from `out/checkpoint` after a kill; a model that stands in `out` stays until the new
    one is whole. Returns tokens, steps, final loss, parameters.

    Raises:
        RunError: another run in the folder, a checkpoint of other settings or data, a loss that is
            not finite (the step is saved in failed_batch.jsonl), a full disk.
        SettingError: no conversations.
        ModelError: a conversation longer than the model, or sizes without room for copying heads.
    """
    with run_lock(out):
        return _pretrain(conversations, settings, out, progress)


def pretrain_world(
    out: Path,
    conversations: int = WORLD_CONVERSATIONS,
    settings: PretrainSettings | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Rebuild the packaged base model from the world's unfiltered agents; raises as `pretrain`."""
    settings = settings or PretrainSettings()
    with run_lock(out):
        progress("generate", 0, conversations)
        made = world.generate(conversations, WORLD_SEED, WORLD)
        progress("generate", conversations, conversations)
        return _pretrain(made, settings, out, progress)


def _pretrain(
    conversations: Sequence[Conversation],
    settings: PretrainSettings,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    if not conversations:
        raise SettingError("there are no conversations to learn from", "Give at least one")
    settings = settings.model_copy(update={"dtype": resolve_dtype(settings.dtype, "cpu")})
    folder = ModelFolder(out, settings, conversations)
    tokenizer = folder.tokenizer() or learn_tokenizer(conversations, settings)
    renderer = Renderer(tokenizer, style="guardrail")
    rows = [encode(c, renderer) for c in conversations]
    longest = max(len(row.ids) for row in rows)
    if longest > settings.positions:
        raise ModelError(
            f"the longest conversation has {longest} tokens, the model {settings.positions}",
            "Raise `positions` or leave that conversation out",
        )
    policy = from_scratch(
        new_model(settings, tokenizer),
        tokenizer,
        ModelSettings(dtype=settings.dtype, device="cpu"),  # type: ignore[arg-type]
    )
    steps = [s for epoch in range(settings.epochs) for s in epoch_steps(rows, settings, epoch)]
    log = _Loop(policy, rows, steps, folder)(progress)
    summary = {
        "parameters": sum(p.numel() for p in policy.parameters()),
        "tokens": sum(len(rows[i].ids) for step in steps for tree in step for i in tree),
        "steps": len(steps),
        "conversations": len(rows),
        "loss": round(sum(log[-50:]) / len(log[-50:]), 4),
    }
    policy.model.bfloat16()
    folder.finish(policy, summary)
    return summary


def learn_tokenizer(
    conversations: Sequence[Conversation], settings: PretrainSettings
) -> PreTrainedTokenizerFast:
    """A tokenizer made for these conversations: their messages and their playbooks' rules."""
    texts = [f"\nUser: {m.content}\n" for c in conversations[:4000] for m in c.messages]
    # What every prompt says must be cheap in tokens too.
    texts += [guardrail_head(c.playbook) for c in conversations[:4000]]
    return train_tokenizer(texts, settings.vocabulary)


@dataclass(frozen=True)
class _Loop:
    """The optimiser's steps over trees of rows."""

    policy: Policy
    rows: Sequence[Row]
    steps: Sequence[Step]
    folder: ModelFolder

    def __call__(self, progress: Progress) -> list[float]:
        """All steps, from the checkpoint on; returns the loss of each."""
        settings, steps, policy = self.folder.settings, self.steps, self.policy
        opts = optimisers(policy.model, settings)
        begun, log = self.folder.restore(policy.model, opts)
        warm = max(1, len(steps) // 50)
        saved = time.monotonic()
        for index in range(begun, len(steps)):
            factor = min((index + 1) / warm, (len(steps) - index) / max(1, len(steps) - warm))
            for opt, lr in zip(opts, (settings.muon_lr, settings.adam_lr), strict=True):
                opt.param_groups[0]["lr"] = lr * factor
            # Customers' names and numbers cannot be foreseen: late they are only noise.
            least = TEXT if index < settings.text_share * len(steps) else AGENT
            loss = self._loss(batch_of(self.rows, steps[index], least))
            loss.backward()
            value = loss.item()
            norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0).item()
            if not (math.isfinite(value) and math.isfinite(norm)):
                self.folder.fail(index + 1, value, norm, self._lines(steps[index], least))
            for opt in opts:
                opt.step()
                opt.zero_grad(set_to_none=True)
            log.append(value)
            recent = sum(log[-50:]) / len(log[-50:])
            progress("pretrain", index + 1, len(steps), f"loss {recent:.3f}")
            # After the last step too: a full disk then costs no training.
            last = index + 1 == len(steps)
            if last or time.monotonic() - saved > settings.checkpoint_seconds:
                self.folder.save(policy, opts, index + 1, log)
                saved = time.monotonic()
        return log

    def _loss(self, batch: TreeBatch) -> torch.Tensor:
        """The mean loss of a row of trees' trained tokens."""
        return -self.policy.logps(batch).mean()

    @torch.no_grad()
    def _lines(self, step: Step, least: int) -> list[dict[str, Any]]:
        """Each conversation of a step: its tokens and text, and its loss (None: not finite)."""
        lines = []
        for i in (i for tree in step for i in tree):
            batch, row = batch_of(self.rows, [[i]], least), self.rows[i]
            value = self._loss(batch).item()
            lines.append(
                {
                    "conversation_id": row.name,
                    "loss": value if math.isfinite(value) else None,
                    "trained_tokens": len(batch.target_N),
                    "tokens": row.ids,
                    "text": self.policy.tokenizer.decode(row.ids),
                }
            )
        return lines
