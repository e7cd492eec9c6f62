"""Which trees make which optimiser step, fixed before the first one; digests of data and model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from handrail.objectives import Objective
from handrail.records import RunError, Skip
from handrail.training.settings import TrainSettings
from handrail.trees import TokenTree

LACKS = {
    "tokens": "no reply that is the best one",
    "pairs": "no pair of a better and a worse reply",
    "replies": "no reply known to be desirable or undesirable",
    "prompts": "no pair of a better and a worse reply",
    "ratings": "no reply with a rating",
}


@dataclass(frozen=True)
class PlannedStep:
    """One optimiser step: indices of its trees, its units, and the epochs done after it."""

    trees: tuple[int, ...]
    units: int
    epoch: float
    ends_epoch: bool


@dataclass(frozen=True)
class Plan:
    """All steps of a run, and the trees that the objective can learn nothing from."""

    steps: tuple[PlannedStep, ...]
    skipped: tuple[Skip, ...]

    def used(self) -> list[int]:
        """Indices of the trees that some step takes, in ascending order."""
        return sorted({i for step in self.steps for i in step.trees})


def tree_units(tree: TokenTree, objective: Objective) -> int:
    """How many of the units that `batch_size` counts a tree holds."""
    if objective.unit == "pairs":
        return len(tree.pairs)
    if objective.unit == "prompts":
        return len({tree.replies[better].turn for better, _ in tree.pairs})
    if objective.unit == "ratings":
        return sum(math.isfinite(r.rating) and not r.mismatched for r in tree.replies)
    if objective.unit == "replies":
        return sum(r.desirable >= 0 and not r.mismatched for r in tree.replies)
    return sum(r.best for r in tree.replies)


def make_plan(trees: Sequence[TokenTree], objective: Objective, settings: TrainSettings) -> Plan:
    """Whole trees, in the order of seed and epoch, gathered until a step is full.

    What is left at the end of an epoch makes a step of its own, or joins the last one if it is
    less than half a step.

    Raises:
        RunError: a tree over the token budget, nothing to learn from, or no mismatched reply in a
            step where the objective needs one.
    """
    sizes = [tree_units(tree, objective) for tree in trees]
    skipped = tuple(
        Skip(what="tree", reason=LACKS[objective.unit], where=_name(tree, i))
        for i, (tree, size) in enumerate(zip(trees, sizes, strict=True))
        if size == 0
    )
    able = [i for i, size in enumerate(sizes) if size]
    _check_any(able, trees, objective)
    longest = max(able, key=lambda i: len(trees[i]))
    if len(trees[longest]) > settings.token_budget:
        raise RunError(
            f"a tree takes {len(trees[longest])} tokens, token_budget is {settings.token_budget}",
            "Raise token_budget, or lower tree_tokens when the trees are built",
            _name(trees[longest], longest),
        )
    steps: list[PlannedStep] = []
    for epoch in range(settings.epochs):
        steps += _epoch_steps(able, sizes, settings, epoch)
    steps = steps[: settings.max_steps]
    if objective.needs_mismatched:
        _check_mismatched(trees, steps, objective)
    return Plan(tuple(steps), skipped)


def usable(trees: Sequence[TokenTree], objective: Objective) -> list[TokenTree]:
    """The trees of an evaluation set that hold something for the objective.

    Raises:
        RunError: none does, or none has the mismatched replies that the objective needs.
    """
    able = [i for i, tree in enumerate(trees) if tree_units(tree, objective)]
    _check_any(able, trees, objective)
    if objective.needs_mismatched:
        _check_mismatched(trees, [PlannedStep(tuple(able), 0, 0.0, True)], objective)
    return [trees[i] for i in able]


def _check_any(able: list[int], trees: Sequence[TokenTree], objective: Objective) -> None:
    if not able:
        raise RunError(
            f"none of the {len(trees)} trees holds anything that {objective.name} can learn from: "
            f"{LACKS[objective.unit]}",
            "Check the feedback on the replies (rank, desirable, rating)",
        )


def _epoch_steps(
    able: list[int], sizes: list[int], settings: TrainSettings, epoch: int
) -> list[PlannedStep]:
    order = list(able)
    if settings.shuffle:
        rng = np.random.default_rng((settings.seed, epoch))
        order = [able[i] for i in rng.permutation(len(able))]
    groups: list[list[int]] = [[]]
    held = 0
    for i in order:
        if held >= settings.batch_size:
            groups.append([])
            held = 0
        groups[-1].append(i)
        held += sizes[i]
    if len(groups) > 1 and 2 * held < settings.batch_size:
        rest = groups.pop()
        groups[-1] += rest
    ends = np.cumsum([len(g) for g in groups])
    return [
        PlannedStep(
            tuple(g), sum(sizes[i] for i in g), epoch + int(end) / len(able), end == len(able)
        )
        for g, end in zip(groups, ends, strict=True)
    ]


def _check_mismatched(
    trees: Sequence[TokenTree], steps: Iterable[PlannedStep], objective: Objective
) -> None:
    for number, step in enumerate(steps, 1):
        if not any(r.mismatched for i in step.trees for r in trees[i].replies):
            raise RunError(
                f"step {number} holds no mismatched reply, which {objective.name} needs",
                "Build the trees with mismatched=True from at least two turns, or raise batch_size",
            )


def _name(tree: TokenTree, index: int) -> str:
    return f"tree {index} (turn {tree.replies[0].turn_id})" if tree.replies else f"tree {index}"


def data_digest(trees: Sequence[TokenTree]) -> str:
    """A digest of tokens, shapes and feedback of the trees, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for tree in trees:
        for array in (tree.tokens_T, tree.depth_T, tree.enter_T, tree.exit_T):
            digest.update(array.tobytes())
        for r in tree.replies:
            digest.update(r.source_n.tobytes() + r.target_n.tobytes())
            place = (r.turn, r.turn_id, r.reply_index, r.mismatched)
            digest.update(repr((*place, r.best, r.desirable, r.rank, r.rating, r.weight)).encode())
        digest.update(repr(tree.pairs).encode())
    return digest.hexdigest()


def model_digest(named: Iterable[tuple[str, Tensor]]) -> str:
    """A digest of named weights."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in named:
        value = value.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
