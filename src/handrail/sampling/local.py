"""Replies from a model in this process, many prompts at once.

Shape suffixes: B rows in flight (prompt x sample), V vocabulary, S prompt length.

Each row draws from its own stream of uniform numbers, seeded by (seed, turn id, sample index), so
a draw does not depend on which other prompts share its batch (up to float rounding).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from handrail.models import Policy
from handrail.records import ModelError, Sample, SamplingParams, Turn
from handrail.sampling.growing import prefill
from handrail.trees import Renderer, Trie

Progress = Callable[[int, int], None]  # (done, total)
_FIRST = 64  # tokens among which a draw is looked for first
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # a token that is one byte (of SentencePiece's tokenizers)


@dataclass
class _Row:
    """One reply in the making."""

    turn: int
    uniforms: np.ndarray
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish: str = "length"


class LocalSampler:
    """A `Sampler` over a loaded policy.

    What prompts share is computed once: the turns of a conversation, and a prompt's n samples.
    """

    def __init__(
        self, policy: Policy, renderer: Renderer, *, name: str = "local", batch_tokens: int = 24576
    ) -> None:
        """`batch_tokens` bounds the tokens whose keys and values are held at once, about."""
        self.policy, self.renderer, self.name = policy, renderer, name
        self.batch_tokens = batch_tokens

    def sample(
        self, turns: Sequence[Turn], params: SamplingParams, progress: Progress | None = None
    ) -> list[list[Sample]]:
        """Draw `params.n` replies per turn; `progress` is told (turns done, of how many).

        It is told at every token, so that a slow model shows that it works.

        Raises:
            ModelError: a prompt that does not fit.
        """
        prompts = [self._prompt(turn, params.max_tokens) for turn in turns]
        names = self._names(turns)
        order = _order(names, prompts)
        replies: list[list[Sample]] = [[] for _ in turns]
        with self._generating():
            while order:
                batch = self._take(order, prompts, names, params)
                rows = [
                    _Row(turn=i, uniforms=_uniforms(params, turns[i].id, k))
                    for i in batch
                    for k in range(params.n)
                ]
                done = len(turns) - len(order) - len(batch)
                asked = ([prompts[i] for i in batch], [names[i] for i in batch])
                for _ in self._decode(*asked, rows, params):
                    if progress is not None:
                        ended = sum(row.finish == "stop" for row in rows)
                        progress(done + ended // params.n, len(turns))
                for row in rows:
                    replies[row.turn].append(self._sample(row))
                if progress is not None:
                    progress(len(turns) - len(order), len(turns))
        return replies

    def stream(self, turn: Turn, params: SamplingParams) -> Iterator[str]:
        """One reply, in pieces of text as they come (for a chat).

        Together they are the text of `sample`, byte for byte: what a further token may change waits
        until it is settled, and bytes at the end that are no character come as U+FFFD in both.
        """
        prompt = self._prompt(turn, params.max_tokens)
        row = _Row(turn=0, uniforms=_uniforms(params, turn.id, 0))
        shown = ""
        with self._generating():
            for _ in self._decode([prompt], [turn.id], [row], params):
                text = self._settled(row.tokens)
                if len(text) > len(shown):
                    yield text[len(shown) :]
                    shown = text
        rest = self._sample(row).text[len(shown) :]
        if rest:
            yield rest

    def _settled(self, tokens: list[int]) -> str:
        """The start of a reply's text that no token after these changes."""
        tokenizer = self.renderer.tokenizer
        skipped, end = set(tokenizer.all_special_ids), len(tokens)
        # Single bytes are decoded as one run: one byte more can make all of it U+FFFD, or text.
        while end and (
            tokens[end - 1] in skipped
            or _BYTE.fullmatch(tokenizer.convert_ids_to_tokens(tokens[end - 1]) or "")
        ):
            end -= 1
        # The last character may be incomplete, and a space, which is lost at the end of a text.
        text = self.renderer.decode(tokens[:end]).rstrip("\ufffd").rstrip()
        if getattr(tokenizer, "clean_up_tokenization_spaces", False):
            # It joins words: of the three spaces in "we n ' t" the last token decides on two.
            return " ".join(text.split(" ")[:-2])
        return text

    def _prompt(self, turn: Turn, max_tokens: int) -> list[int]:
        prompt = self.renderer.prompt_ids(turn)
        limit = self.policy.max_positions
        if limit and len(prompt) + max_tokens > limit:
            raise ModelError(
                f"the prompt of turn '{turn.id}' has {len(prompt)} tokens; with {max_tokens} for "
                f"the reply this is more than the model's {limit} positions",
                "Shorten the playbook or the context, lower max_tokens, or take another model",
            )
        return prompt

    def _names(self, turns: Sequence[Turn]) -> list[str]:
        """Whose keys and values a turn's replies share: its conversation's, or its own alone."""
        if not self.policy.attends_by_trees:
            return [turn.id for turn in turns]
        return [turn.conversation_id or turn.id for turn in turns]

    def _take(
        self,
        order: list[int],
        prompts: list[list[int]],
        names: list[str],
        params: SamplingParams,
    ) -> list[int]:
        """Pop the next prompts that fit `batch_tokens`; at least one."""
        batch: list[int] = []
        tries: dict[str, Trie] = {}
        used, copies = 0, 1 if self.policy.attends_by_trees else params.n  # of a prompt's tokens
        while order:
            prompt, trie = prompts[order[0]], tries.setdefault(names[order[0]], Trie())
            used += copies * trie.cost(prompt) + params.n * params.max_tokens
            if batch and used > self.batch_tokens:
                break
            trie.add(prompt)
            batch.append(order.pop(0))
        return batch

    @contextmanager
    def _generating(self) -> Iterator[None]:
        """The model in evaluation mode, without gradients; its settings are put back after."""
        model = self.policy.causal_lm  # adapters sit inside its modules
        training, before = model.training, model.config._attn_implementation
        model.eval()
        if not self.policy.attends_by_trees:
            model.set_attn_implementation("sdpa")
        try:
            with torch.no_grad(), self.policy.precision():
                yield
        finally:
            model.set_attn_implementation(before)
            model.train(training)

    def _decode(
        self,
        prompts: list[list[int]],
        names: list[str],
        rows: list[_Row],
        params: SamplingParams,
    ) -> Iterator[None]:
        """Fill `rows` token by token; yields after each step."""
        at = prefill(self.policy, prompts, names, params.n)
        active = list(range(len(rows)))
        for step in range(params.max_tokens):
            at.add(self._choose(at.next_logits(), [rows[i] for i in active], step, params))
            yield
            kept = [j for j, i in enumerate(active) if rows[i].finish != "stop"]
            if not kept:
                return
            if len(kept) <= 0.75 * len(active):  # rows that ended leave the batch
                at.keep(kept)
                active = [active[j] for j in kept]

    def _choose(
        self, logits_BV: torch.Tensor, rows: list[_Row], step: int, params: SamplingParams
    ) -> torch.Tensor:
        """The next token of each row, noted in the row unless it has ended."""
        scale = params.temperature or 1.0
        logps_BV = torch.log_softmax(logits_BV / scale, -1)
        if params.temperature == 0:
            chosen_B = logps_BV.argmax(-1)
        else:
            u_B = torch.tensor([row.uniforms[step] for row in rows], device=logps_BV.device)
            chosen_B = _draw(logps_BV.exp(), u_B, params.top_p)
        picked_B = logps_BV.gather(1, chosen_B[:, None])[:, 0].tolist()
        for row, token, logp in zip(rows, chosen_B.tolist(), picked_B, strict=True):
            if row.finish == "stop":
                continue
            row.tokens.append(token)
            row.logprob += logp
            if token in self.renderer.stop_ids:
                row.finish = "stop"
        return chosen_B

    def _sample(self, row: _Row) -> Sample:
        finish = "stop" if row.finish == "stop" else "length"
        kept = row.tokens[:-1] if finish == "stop" else row.tokens
        return Sample(
            text=self.renderer.decode(kept).strip(),
            finish=finish,
            n_tokens=len(row.tokens),
            logprob=row.logprob,
        )


def _order(names: Sequence[str], prompts: Sequence[list[int]]) -> list[int]:
    """Each conversation's turns together, beside conversations of as many turns and like length."""
    size = Counter(names)
    longest: dict[str, int] = {}
    for name, prompt in zip(names, prompts, strict=True):
        longest[name] = max(longest.get(name, 0), len(prompt))
    return sorted(range(len(names)), key=lambda i: (size[names[i]], longest[names[i]], names[i], i))


def _uniforms(params: SamplingParams, turn_id: str, index: int) -> np.ndarray:
    """`max_tokens` uniform numbers in [0, 1) that depend on seed, turn and sample index only."""
    digest = hashlib.sha256(f"{params.seed}:{turn_id}:{index}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return generator.random(params.max_tokens)


def _draw(probs_BV: torch.Tensor, u_B: torch.Tensor, top_p: float) -> torch.Tensor:
    """Inverse-CDF draw of one token a row from the smallest set of tokens with mass `top_p`.

    Tokens are in the order of their probability. Nearly always the first few hold the mass that is
    asked for, so the whole vocabulary is sorted only for the rows where they do not.
    """
    u_B, total_B = u_B.double(), probs_BV.double().sum(-1)
    first_BK, index_BK = probs_BV.topk(min(_FIRST, probs_BV.shape[1]), -1)
    place_B, found_B = _place(first_BK, u_B, top_p, total_B)
    chosen_B = index_BK.gather(1, place_B[:, None])[:, 0]
    rest = (~found_B).nonzero()[:, 0]
    if len(rest):
        sorted_BV, index_BV = probs_BV[rest].sort(-1, descending=True)
        place_B, _ = _place(sorted_BV, u_B[rest], top_p, total_B[rest])
        chosen_B[rest] = index_BV.gather(1, place_B[:, None])[:, 0]
    return chosen_B


def _place(
    sorted_BK: torch.Tensor, u_B: torch.Tensor, top_p: float, total_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the draws fall among the likeliest tokens, and whether these are enough to tell."""
    mass_BK = sorted_BK.double().cumsum(-1)
    if top_p < 1.0:
        # A token belongs to the set while the mass before it is below top_p.
        inside_BK = (mass_BK - sorted_BK.double()) < top_p
        found_B = mass_BK[:, -1] >= top_p
        mass_BK = (sorted_BK.double() * inside_BK).cumsum(-1)
        target_B = u_B * mass_BK[:, -1]
    else:
        target_B = u_B * total_B
        found_B = mass_BK[:, -1] > target_B
    place_B = torch.searchsorted(mass_BK, target_B[:, None], right=True)[:, 0]
    return place_B.clamp(max=sorted_BK.shape[1] - 1), found_B
