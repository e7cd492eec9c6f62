"""The folder of a model that is trained from scratch: a kill or a full disk leaves it whole.

OUT/
model.safetensors, tokenizer.json, ...  the finished model, with pretrain.json
checkpoint/state.pt                     a training under way: weights, tokenizer, its start
checkpoint/model/                       the new model, whole, for the moment before it moves up
failed_batch.jsonl                      the step whose loss or gradient was not finite
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedTokenizerFast

from handrail.models import Policy
from handrail.recipes.run import digest_records, write_json
from handrail.recipes.small_model import PretrainSettings, as_transformers
from handrail.records import Conversation, RunError, atomic_write
from handrail.training.checkpoint import check_same, disk_faults, written_aside
from handrail.training.failure import FAILED

CHECKPOINT, STATE, MODEL = "checkpoint", "state.pt", "model"


class ModelFolder:
    """Where one training from scratch keeps what it has done; its process holds the run lock."""

    def __init__(
        self, out: Path, settings: PretrainSettings, conversations: Sequence[Conversation]
    ) -> None:
        """Open the folder; `settings` with the dtype resolved.

        Raises:
            RunError: the checkpoint there cannot be read, or is of other settings or data.
        """
        self.out, self.settings = out, settings
        self.checkpoint = out / CHECKPOINT
        self.mend = f"Remove {self.checkpoint} to start over, or choose another folder (--out)"
        self.started_with = {
            "settings": settings.model_dump(mode="json", exclude={"checkpoint_seconds"}),
            "data": digest_records(conversations),
        }
        with disk_faults(out):
            self._move_up()
            (out / FAILED).unlink(missing_ok=True)
        self._saved = self._read()

    def _read(self) -> dict[str, Any] | None:
        """The checkpoint, or None without one."""
        path = self.checkpoint / STATE
        if not path.exists():
            return None
        try:
            saved = torch.load(path, weights_only=True)
            started_with = saved["started_with"]
        except _UNREADABLE as error:
            raise self._unreadable(error) from None
        check_same(started_with, self.started_with, self.checkpoint, self.mend)
        return saved

    def _unreadable(self, error: Exception) -> RunError:
        what = f"this checkpoint cannot be read ({type(error).__name__}: {error})"
        return RunError(what, self.mend, str(self.checkpoint / STATE))

    def tokenizer(self) -> PreTrainedTokenizerFast | None:
        """The tokenizer of the training that goes on; None for a new one."""
        if self._saved is None:
            return None
        return as_transformers(Tokenizer.from_str(self._saved["tokenizer"]))

    def restore(
        self, model: nn.Module, opts: Sequence[torch.optim.Optimizer]
    ) -> tuple[int, list[float]]:
        """Put the checkpoint's state into model and optimisers; steps done, and their losses."""
        saved, self._saved = self._saved, None
        if saved is None:
            return 0, []
        try:
            model.load_state_dict(saved["model"])
            for opt, state in zip(opts, saved["opts"], strict=True):
                opt.load_state_dict(state)
            return saved["step"], saved["log"]
        except _UNREADABLE as error:
            raise self._unreadable(error) from None

    def save(
        self,
        policy: Policy,
        opts: Sequence[torch.optim.Optimizer],
        step: int,
        log: list[float],
    ) -> None:
        """Keep where the training stands, in the place of the checkpoint before.

        Raises:
            RunError: it could not be written; the checkpoint before is whole.
        """
        state = {
            "started_with": self.started_with,
            "tokenizer": policy.tokenizer.backend_tokenizer.to_str(),
            "model": policy.model.state_dict(),
            "opts": [opt.state_dict() for opt in opts],
            "step": step,
            "log": log,
        }
        # In memory first: where torch itself writes, a full disk is no OSError.
        content = io.BytesIO()
        torch.save(state, content)
        with atomic_write(self.checkpoint / STATE, "wb") as file:
            file.write(content.getbuffer())

    def fail(self, step: int, loss: float, norm: float, lines: list[dict[str, Any]]) -> NoReturn:
        """Stop at a step that is not finite, with a line on each of its conversations kept."""
        path = self.out / FAILED
        with atomic_write(path) as file:
            for line in lines:
                file.write(json.dumps({"step": step} | line, ensure_ascii=False) + "\n")
        what = (
            f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {norm}"
        )
        bad = sum(line["loss"] is None for line in lines)
        raise RunError(
            f"step {step}: {what} ({bad} of {len(lines)} conversations have a loss that is not "
            f"finite); the step is saved in {path}",
            "Look at its conversations, or lower muon_lr and adam_lr or set dtype=float32 and "
            f"start over: remove {self.checkpoint}, or choose another folder (--out)",
        )

    def finish(self, policy: Policy, summary: dict[str, Any]) -> None:
        """Put the new model in the place of the one before, when it is whole on the disk.

        Raises:
            RunError: it could not be written; what stood in the folder is whole.
        """
        with written_aside(self.checkpoint / MODEL) as folder:
            policy.save(folder)
            made = {"settings": self.settings.model_dump(), "result": summary}
            write_json(folder / "pretrain.json", made)
        with disk_faults(self.out):
            self._move_up()
            shutil.rmtree(self.checkpoint, ignore_errors=True)

    def _move_up(self) -> None:
        """Move a whole new model to its place, weights last; a kill in between is made good.

        While the other files change there are no weights: never a model with another's tokenizer.
        """
        whole = self.checkpoint / MODEL
        files = sorted(whole.iterdir()) if whole.is_dir() else []
        weights = [p for p in files if ".safetensors" in p.name]
        others = [p for p in files if p not in weights]
        if others:  # so none of the new weights has moved yet
            for old in self.out.glob("model*.safetensors*"):
                old.unlink()
        for path in others + weights:
            os.replace(path, self.out / path.name)
        if files:
            whole.rmdir()


# What torch raises on a file that is cut off, and what a checkpoint without its parts gives.
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    ValueError,
    KeyError,
    TypeError,
)
