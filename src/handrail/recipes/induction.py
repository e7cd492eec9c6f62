"""First weights with which a small Llama copies from its context before it has seen any data.

A transformer copies by two heads in a row (Olsson et al., 2022, "In-context Learning and Induction
Heads"): one writes beside each token what stood before it, one in a later layer looks for places
whose "before" is the token that it reads now, and says what stands there. Nothing else lets a bot
repeat a name, a date or an amount that a rule or a fact holds. Found by gradient descent the pair
takes more tokens than a small model sees in an hour; so its weights are set by hand, as a start
that training is free to change (the idea of Trockman and Kolter, 2023, "Mimetic Initialization of
Self-Attention Layers").

How the weights are read: the residual stream of width D holds the token's embedding, of which
coordinate 0 is the same for all tokens (a bias that Llama otherwise lacks). Two sets of orthonormal
directions split the other coordinates: `read` is where a token is looked at, `before` is where the
token before it is written. A head's slow rotary pairs hardly turn within a conversation, so that
content can be compared over any distance; its fast ones tell neighbours apart.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaForCausalLM

from handrail.records import ModelError

# Rotary speeds in radians per token: below SLOW a pair compares content, above FAST positions.
SLOW, FAST = 3e-3, 2e-2
# Embeddings are large beside a step of the optimiser, so that the directions last; the final norm
# takes the factor out of the logits again.
EMBEDDING = 0.1  # standard deviation
COMMON = 0.5  # coordinate 0 of every embedding
SHARP = 1.6  # of the head that looks one token back: it puts about 0.9 of its weight there
MATCH = 2.0  # of the head that looks for equal tokens
# Of the value and the output matrix of each head: their product is how loudly it writes.
WRITE, SAY = 0.5, 1.2


@torch.no_grad()
def start_copying(model: LlamaForCausalLM, seed: int = 0) -> None:
    """Set heads of the first two layers of a fresh model so that it copies; changes it in place.

    Every block's output starts at zero except that of the set heads: what random blocks write
    would drown what those read.

    Raises:
        ModelError: fewer than two layers or heads, or heads too narrow for the rotary base.
    """
    config = model.config
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    width = config.hidden_size
    size = width // heads
    speed = model.model.rotary_emb.inv_freq.float()
    half = len(speed)
    slow = [i for i in range(half) if speed[i] < SLOW]
    content = [*slow, *(i + half for i in slow)]
    n = min(2, max(1, heads // 2))  # heads that are set, of the first and of the second layer
    room = (width - 1) // (2 * n)
    content = content[:room]
    if layers < 2 or heads < 2 or config.num_key_value_heads != heads or len(content) < 8:
        raise ModelError(
            f"{layers} layers with {heads} heads of {size} cannot start with copying heads",
            "Use two layers or more, as many key as query heads, and heads of 32 or more; or "
            "copying=false",
        )
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(width - 1, width - 1, generator=generator))[0]
    basis = torch.cat([torch.zeros(width - 1, 1), basis], 1)  # no direction sees coordinate 0
    s = len(content)
    read, before = basis[: n * s].split(s), basis[n * s : 2 * n * s].split(s)

    embeddings = model.model.embed_tokens.weight
    usual = embeddings.std()
    embeddings.mul_(EMBEDDING / usual)
    embeddings[:, 0] = COMMON
    model.model.norm.weight.mul_(usual / EMBEDDING)
    for layer in model.model.layers:
        layer.mlp.down_proj.weight.zero_()
        layer.self_attn.o_proj.weight.zero_()
    for h in range(n):
        rows = slice(h * size, (h + 1) * size)
        back, copy = model.model.layers[0].self_attn, model.model.layers[1].self_attn
        _look_back(back, rows, speed)
        back.v_proj.weight[rows][:s] = WRITE * read[h]
        back.o_proj.weight[:, rows][:, :s] = WRITE * before[h].T
        copy.q_proj.weight[rows] = 0
        copy.k_proj.weight[rows] = 0
        copy.q_proj.weight[rows][content] = MATCH * read[h]
        copy.k_proj.weight[rows][content] = MATCH * before[h]
        said = torch.linalg.qr(torch.randn(width, size, generator=generator))[0]
        said[0] = 0
        copy.v_proj.weight[rows] = SAY * said.T
        copy.o_proj.weight[:, rows] = SAY * said


def _look_back(attention: Any, rows: slice, speed: torch.Tensor) -> None:
    """A head whose score is the sum of cos(speed * (distance - 1)): highest one token back."""
    q, k = attention.q_proj.weight[rows], attention.k_proj.weight[rows]
    q.zero_()
    k.zero_()
    half = len(speed)
    for i in range(half):
        if speed[i] > FAST:
            q[i, 0] = SHARP * torch.cos(speed[i])
            q[half + i, 0] = -SHARP * torch.sin(speed[i])
            k[i, 0] = SHARP
