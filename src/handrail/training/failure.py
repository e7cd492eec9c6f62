"""What is kept of a step whose loss or gradient is not finite."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from handrail.models import RewardModel, Trained
from handrail.records import atomic_write
from handrail.training.kinds import as_policy
from handrail.training.step import Row

FAILED = "failed_batch.jsonl"


def save_failed(path: Path, model: Trained, rows: list[Row], step: int) -> int:
    """Write the step's replies, a line each, after a line with each micro-batch's tokens.

    A reply's line: turn id, reply index (-1 for a mismatched one), its tokens and text, and what
    the model gives: a reward model its "score", a policy "logp", its summed log-probability, beside
    the reference's (null where not finite). Returns how many replies have one that is not finite.
    """
    bad = 0
    with atomic_write(path) as file:
        for number, row in enumerate(rows):
            place = {"step": step, "micro_batch": number}
            head = place | {"input_ids": row.batch.input_ids_T.tolist()}
            file.write(json.dumps(head) + "\n")
            for line in _replies(model, row):
                bad += line["score" if isinstance(model, RewardModel) else "logp"] is None
                file.write(json.dumps(place | line) + "\n")
    return bad


@torch.no_grad()
def _replies(model: Trained, row: Row) -> Iterator[dict[str, Any]]:
    batch = row.batch
    targets = batch.target_N.cpu().split(batch.length_R.tolist())
    for (turn_id, index), ids, given in zip(batch.refs, targets, _given(model, row), strict=True):
        text = model.tokenizer.decode(ids.tolist())
        told = {"tokens": ids.tolist(), "text": text}
        yield {"turn_id": turn_id, "reply_index": index} | given | told


def _given(model: Trained, row: Row) -> list[dict[str, float | None]]:
    """What the model gives for each reply of a row."""
    if isinstance(model, RewardModel):
        return [{"score": _finite(score)} for score in model.scores(row.batch).tolist()]
    lengths = row.batch.length_R.tolist()
    logps = as_policy(model).logps(row.batch).cpu().split(lengths)
    refs = [None] * len(lengths) if row.ref_N is None else row.ref_N.cpu().split(lengths)
    return [
        {
            "logp": _finite(logp_n.sum().item()),
            "reference_logp": None if ref_n is None else _finite(ref_n.sum().item()),
        }
        for logp_n, ref_n in zip(logps, refs, strict=True)
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
