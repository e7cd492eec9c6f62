"""A small base model from scratch: tokenizer, Llama, plain language modelling.

What `handrail world pretrain` runs to rebuild the packaged model, and what the STAR recipe runs on
the training dialogues. It is the one loop beside the trainer: every token after the playbook is
trained and no tokens are shared, so there is nothing for a tree to save.

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
import torch.nn.functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from handrail import world
from handrail.models import resolve_dtype
from handrail.models.allocator import keep_freed_memory
from handrail.recipes.model_folder import ModelFolder
from handrail.recipes.muon import Muon
from handrail.recipes.run import Progress, quiet
from handrail.recipes.small_model import PretrainSettings, new_model, train_tokenizer
from handrail.records import Conversation, ModelError, SettingError, Turn
from handrail.training.lock import run_lock
from handrail.trees import Renderer
from handrail.trees.styles import guardrail_head

IGNORED = -100
# What a token belongs to: the prompt up to the first reply, later text, the agent's replies.
PLAYBOOK, TEXT, AGENT = 0, 1, 2
Row = tuple[list[int], list[int]]  # token ids and their kinds
# What the packaged model was made from: 7.8 million tokens, no conversation that a recipe uses.
WORLD_CONVERSATIONS, WORLD_SEED = 15_500, 770_001


def encode(conversation: Conversation, renderer: Renderer) -> Row:
    """The whole conversation's tokens, and for each what trains it."""
    book = conversation.playbook
    last = max(i for i, m in enumerate(conversation.messages) if m.role == "assistant")
    ids: list[int] = []
    kinds: list[int] = []
    for i, message in enumerate(conversation.messages[: last + 1]):
        if message.role != "assistant":
            continue
        prompt = renderer.prompt_ids(Turn(playbook=book, context=conversation.messages[:i]))
        kinds += [TEXT if ids else PLAYBOOK] * (len(prompt) - len(ids))
        reply = renderer.reply_ids(message.content)
        ids = prompt + reply
        kinds += [AGENT] * len(reply)
    return ids, kinds


def batches(rows: Sequence[Row], settings: PretrainSettings, epoch: int) -> list[list[int]]:
    """Row indices of each step: rows of like length together, steps in a seeded random order."""
    generator = torch.Generator().manual_seed(settings.seed * 1009 + epoch)
    order = torch.randperm(len(rows), generator=generator).tolist()
    # Sorting inside large chunks keeps padding small and the mixture random.
    chunk = 64 * max(1, settings.tokens_per_step // 512)
    steps: list[list[int]] = []
    for start in range(0, len(order), chunk):
        step: list[int] = []
        for i in sorted(order[start : start + chunk], key=lambda i: len(rows[i][0])):
            if step and (len(step) + 1) * len(rows[i][0]) > settings.tokens_per_step:
                steps.append(step)
                step = []
            step.append(i)
        steps.append(step)
    shuffle = torch.randperm(len(steps), generator=generator).tolist()
    return [steps[i] for i in shuffle]


def collate(rows: Sequence[Row], pad: int, least: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Input ids and next-token targets [B, S-1], padded on the right.

    Tokens of a kind below `least`, and padding, have the target IGNORED.
    """
    width = max(len(ids) for ids, _ in rows)
    ids_BS = torch.full((len(rows), width), pad)
    kind_BS = torch.full((len(rows), width), -1)
    for i, (ids, kinds) in enumerate(rows):
        ids_BS[i, : len(ids)] = torch.tensor(ids)
        kind_BS[i, : len(ids)] = torch.tensor(kinds)
    target_BS = torch.where(kind_BS >= least, ids_BS, IGNORED)
    return ids_BS[:, :-1], target_BS[:, 1:]


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
        made = world.generate(conversations, WORLD_SEED)
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
    tokenizer = folder.tokenizer() or _tokenizer(conversations, settings)
    renderer = Renderer(tokenizer, style="guardrail")
    rows = [encode(c, renderer) for c in conversations]
    longest = max(len(ids) for ids, _ in rows)
    if longest > settings.positions:
        raise ModelError(
            f"the longest conversation has {longest} tokens, the model {settings.positions}",
            "Raise `positions` or leave that conversation out",
        )
    keep_freed_memory()
    model = new_model(settings, tokenizer)
    steps = [s for epoch in range(settings.epochs) for s in batches(rows, settings, epoch)]
    names = [c.id for c in conversations]
    log = _Loop(model, tokenizer, rows, names, steps, folder)(progress)
    summary = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens": sum(len(rows[i][0]) for step in steps for i in step),
        "steps": len(steps),
        "conversations": len(rows),
        "loss": round(sum(log[-50:]) / len(log[-50:]), 4),
    }
    folder.finish(model.bfloat16(), tokenizer, summary)
    return summary


def _tokenizer(
    conversations: Sequence[Conversation], settings: PretrainSettings
) -> PreTrainedTokenizerFast:
    texts = [f"\nUser: {m.content}\n" for c in conversations[:4000] for m in c.messages]
    # What every prompt says must be cheap in tokens too.
    texts += [guardrail_head(c.playbook) for c in conversations[:4000]]
    return train_tokenizer(texts, settings.vocabulary)


@dataclass(frozen=True)
class _Loop:
    """The optimiser's steps over rows, each of which has the name of its conversation."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    rows: Sequence[Row]
    names: Sequence[str]
    steps: Sequence[list[int]]
    folder: ModelFolder

    def __call__(self, progress: Progress) -> list[float]:
        """All steps, from the checkpoint on; returns the loss of each."""
        settings, steps = self.folder.settings, self.steps
        opts = optimisers(self.model, settings)
        begun, log = self.folder.restore(self.model, opts)
        warm = max(1, len(steps) // 50)
        saved = time.monotonic()
        for index in range(begun, len(steps)):
            factor = min((index + 1) / warm, (len(steps) - index) / max(1, len(steps) - warm))
            for opt, lr in zip(opts, (settings.muon_lr, settings.adam_lr), strict=True):
                opt.param_groups[0]["lr"] = lr * factor
            # Customers' names and numbers cannot be foreseen: late they are only noise.
            least = TEXT if index < settings.text_share * len(steps) else AGENT
            loss, _ = self._loss(steps[index], least)
            loss.backward()
            value = loss.item()
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0).item()
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
                self.folder.save(self.model, self.tokenizer, opts, index + 1, log)
                saved = time.monotonic()
        return log

    def _loss(self, step: Sequence[int], least: int) -> tuple[torch.Tensor, int]:
        """The mean loss of some rows' trained tokens, and how many these are."""
        pad = int(self.model.config.pad_token_id or 0)
        ids_BS, target_BS = collate([self.rows[i] for i in step], pad, least)
        with torch.autocast(
            "cpu", torch.bfloat16, enabled=self.folder.settings.dtype == "bfloat16"
        ):
            hidden = self.model.model(input_ids=ids_BS, use_cache=False).last_hidden_state
            trained = target_BS != IGNORED
            logits = self.model.lm_head(hidden[trained])
        return F.cross_entropy(logits.float(), target_BS[trained]), int(trained.sum())

    @torch.no_grad()
    def _lines(self, step: Sequence[int], least: int) -> list[dict[str, Any]]:
        """Each conversation of a step: its tokens and text, and its loss (None: not finite)."""
        lines = []
        for i in step:
            loss, trained = self._loss([i], least)
            value, ids = loss.item(), self.rows[i][0]
            lines.append(
                {
                    "conversation_id": self.names[i],
                    "loss": value if math.isfinite(value) else None,
                    "trained_tokens": trained,
                    "tokens": ids,
                    "text": self.tokenizer.decode(ids),
                }
            )
        return lines
