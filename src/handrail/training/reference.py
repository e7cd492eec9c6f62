"""The reference's log-probabilities: computed once, before the first update, and kept on disk.

No second copy of the model is ever loaded: under LoRA the reference is the model with its adapters
off, under full fine-tuning the model before its first update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from handrail.models import Policy
from handrail.records import RunError, atomic_write
from handrail.training.plan import data_digest, model_digest
from handrail.trees import TokenTree, pack

KEY = "logps"


class Reference:
    """Log-probabilities of each tree's trained tokens under the reference.

    Attributes:
        path: the file that keeps them, named after the digests of model and trees.
        computed: whether they were computed now (False: read from the file).
    """

    def __init__(self, logps: dict[int, Tensor], path: Path, computed: bool) -> None:
        self._logps, self.path, self.computed = logps, path, computed

    def __getitem__(self, trees: Sequence[int]) -> Tensor:
        """Of the trees of one row, in their order: (N,) float32 on the CPU."""
        return torch.cat([self._logps[i] for i in trees])


def trained_tokens(tree: TokenTree) -> int:
    """Tokens of all replies of a tree, mismatched ones included."""
    return sum(len(reply.target_n) for reply in tree.replies)


def prepare_reference(
    policy: Policy,
    trees: dict[int, TokenTree],
    folder: Path,
    token_budget: int,
    row_tokens: int | None,
    accelerator: Accelerator,
    watch: Callable[[int, int], None],
) -> Reference:
    """Read or compute the reference of `trees`, which must come before the first update.

    `trees` are named by their index in the forest; the file lies in `folder` under the digests of
    model and trees; `watch` is told (micro-batches done, of how many).

    Raises:
        RunError: the file is damaged or cannot be written.
    """
    members = list(trees.values())
    path = folder / f"{_weights(policy)}-{data_digest(members)}.safetensors"
    sizes = [trained_tokens(tree) for tree in members]
    computed = not path.exists()
    accelerator.wait_for_everyone()  # all have looked before one writes
    if computed:
        flat = _compute(policy, members, token_budget, row_tokens, accelerator, watch)
        if accelerator.is_main_process:
            with atomic_write(path, "wb") as file:
                file.write(save({KEY: flat}))
        accelerator.wait_for_everyone()
    else:
        flat = _read(path, sum(sizes))
    return Reference(dict(zip(trees, flat.split(sizes), strict=True)), path, computed)


def _weights(policy: Policy) -> str:
    """A digest of the reference: the frozen weights under LoRA, else all of them."""
    lora = policy.settings.mode == "lora"
    named = policy.model.named_parameters()
    kind = policy.settings.dtype
    return f"{model_digest((n, p) for n, p in named if not (lora and p.requires_grad))}-{kind}"


def _read(path: Path, size: int) -> Tensor:
    try:
        flat = load_file(path)[KEY]
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(
            f"the reference's log-probabilities cannot be read ({error})", "Remove it", str(path)
        ) from None
    if flat.shape != (size,):
        raise RunError(
            f"{flat.numel()} log-probabilities were expected to be {size}", "Remove it", str(path)
        )
    return flat


def _compute(
    policy: Policy,
    members: list[TokenTree],
    token_budget: int,
    row_tokens: int | None,
    accelerator: Accelerator,
    watch: Callable[[int, int], None],
) -> Tensor:
    """One pass without gradient; each process takes its share of the trees."""
    rank, world = accelerator.process_index, accelerator.num_processes
    order = np.argsort([len(t) for t in members], kind="stable")[rank::world].tolist()
    batches = pack([members[i] for i in order], token_budget, row_tokens)
    parts = []
    for number, batch in enumerate(batches, 1):
        parts.append(policy.reference_logps(batch.to(policy.device)).float().cpu())
        watch(number, len(batches))
    mine = torch.cat(parts) if parts else torch.zeros(0)
    pieces = list(zip(order, mine.split([trained_tokens(members[i]) for i in order]), strict=True))
    if world > 1:
        pieces = gather_object(pieces)
    return torch.cat([piece for _, piece in sorted(pieces, key=lambda pair: pair[0])])
