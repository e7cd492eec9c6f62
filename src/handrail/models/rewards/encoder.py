"""An encoder that classifies prompt and reply as a pair of texts, with one score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from handrail.models.load import prepared, resolved
from handrail.models.rewards.base import RewardModel
from handrail.models.rewards.heads import FORMER_HEADS, head_of, own_weights
from handrail.models.rewards.padding import alike, batches
from handrail.models.settings import ModelSettings
from handrail.models.whole import check_tokenizer, quietly, read_weights
from handrail.records import AskProgress, ModelError, SettingError, Turn, called
from handrail.trees import (
    Branch,
    Forest,
    OnLong,
    PairRenderer,
    PromptIds,
    TreeBatch,
    TreeSettings,
    build_sequences,
    check_on_long,
)

_ON_LONG = "handrail_on_long"  # in the saved config
# Tokens of a batch that is scored, padding included: larger ones give no speed (CPU).
_BATCH_TOKENS = {"cpu": 2048}
_BATCH_TOKENS_ELSEWHERE = 32768


class EncoderReward(RewardModel):
    """BERT, RoBERTa, DeBERTa and their kin: the score is transformers' classifier's only label.

    A reply's score depends on its prompt and itself alone: padding is masked, whatever else stands
    in the batch. The head is computed in float32 whatever the model's type.
    """

    auto_class = AutoModelForSequenceClassification
    kind: ClassVar[str] = "encoder"

    @cached_property
    def renderer(self) -> PairRenderer:
        """Makes tokens of prompts and replies."""
        return PairRenderer(self.tokenizer)

    @property
    def max_positions(self) -> int | None:
        """The longest sequence that the model takes; RoBERTa's count begins after its padding."""
        stated = super().max_positions
        skipped = self._positions_skipped
        return stated if stated is None else stated - skipped

    @property
    def on_long(self) -> OnLong:
        """What scoring does with a sequence over the model's positions: as in training.

        "cut_context" cuts the prompt (`PairRenderer.cut`), else such a reply has no score. The
        saved config keeps it.
        """
        told: OnLong = getattr(self.inner.config, _ON_LONG, "skip")
        return told

    @on_long.setter
    def on_long(self, value: OnLong) -> None:
        check_on_long(value)
        setattr(self.inner.config, _ON_LONG, value)

    def scores(self, batch: TreeBatch) -> Tensor:
        """Raw scores (R,), float32, of a row's replies; differentiable."""
        ends = (batch.last_R + 1).tolist()
        lengths = [end - start for start, end in pairwise([0, *ends])]
        return self._scores(batch.input_ids_T, lengths, batch.length_R)

    def build(self, turns: Iterable[Turn], settings: TreeSettings | None = None) -> Forest:
        """A tree of sequences per turn.

        Raises:
            RenderError: as `build_sequences`.
            SettingError: `max_tokens` is over the model's positions.
        """
        settings = settings or self._tree_settings()
        limit = self.max_positions
        if limit is not None and settings.max_tokens > limit:
            raise SettingError(
                f"max_tokens is {settings.max_tokens}, and '{self.name}' has {limit} positions",
                f"Set max_tokens to {limit} or less",
            )
        return build_sequences(turns, self.tokenizer, settings)

    def _tree_settings(self) -> TreeSettings:
        """The usual ones, within the model's positions."""
        usual = TreeSettings()
        longest = min(usual.max_tokens, self.max_positions or usual.max_tokens)
        return replace(usual, max_tokens=longest)

    @torch.inference_mode()
    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        """One raw score per reply, in their order; NaN where one does not fit the model.

        They run in the order of their lengths, the longest first.
        """
        sequences = self._sequences(replies)
        scores = [float("nan")] * len(replies)
        device, training = self.device, self.model.training
        room = _BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)
        done = 0
        self.model.eval()
        try:
            for places in batches({n: len(s.ids) for n, s in sequences.items()}, room):
                members = [sequences[n] for n in places]
                ids_T = torch.tensor([i for s in members for i in s.ids], device=device)
                reply_R = torch.tensor([len(s.ids) - s.n_prompt for s in members], device=device)
                given = self._scores(ids_T, [len(s.ids) for s in members], reply_R).tolist()
                for n, score in zip(places, given, strict=True):
                    scores[n] = score
                done += len(members)
                if progress is not None:
                    progress(done, len(sequences))
        finally:
            self.model.train(training)
        return scores

    def _sequences(self, replies: Sequence[tuple[Turn, str]]) -> dict[int, Branch]:
        """The sequences that fit the model, by the place of their reply."""
        limit = self.max_positions or 2**31
        fitting: dict[int, Branch] = {}
        # A turn's replies mostly stand together: its prompt is then encoded once.
        for _, group in groupby(enumerate(replies), key=lambda placed: id(placed[1][0])):
            members = list(group)
            turn = members[0][1][0]
            prompt, texts = self.renderer.encode(turn, [reply for _, (_, reply) in members])
            for (place, _), ids in zip(members, texts, strict=True):
                kept: PromptIds | None = prompt
                if len(prompt) + len(ids) + self.renderer.extra > limit:
                    cuts = self.on_long == "cut_context"
                    kept = self.renderer.cut(prompt, ids, limit) if cuts else None
                if kept is not None and ids:
                    fitting[place] = self.renderer.join(kept, ids)
        return fitting

    def _scores(self, ids_T: Tensor, lengths: Sequence[int], reply_R: Tensor) -> Tensor:
        """Scores (R,) of R sequences that stand one after the other.

        Args:
            ids_T: their tokens.
            lengths: tokens of each.
            reply_R: tokens of each that are the reply's, at its end.
        """
        limit, longest = self.max_positions, max(lengths, default=0)
        if limit is not None and longest > limit:
            raise ModelError(
                f"a prompt and reply take {longest} tokens, the model has {limit} positions",
                "Lower max_tokens to the model's positions",
            )
        size_R = torch.tensor(list(lengths), device=ids_T.device)
        start_R = size_R.cumsum(0) - size_R
        groups = list(alike(lengths))
        parts = []
        for members in groups:
            at_B = torch.tensor(members, device=ids_T.device)
            place_W = torch.arange(max(lengths[n] for n in members), device=ids_T.device)
            inside_BW = place_W < size_R[at_B, None]
            source_BW = (start_R[at_B, None] + place_W).clamp(max=len(ids_T) - 1)
            ids_BW = ids_T[source_BW].masked_fill(~inside_BW, self._pad_id)
            prompt_B = size_R[at_B] - reply_R[at_B]
            parts.append(self._head_of(ids_BW, inside_BW, prompt_B))
        if not parts:
            return torch.zeros(0, device=ids_T.device)
        back_R = torch.tensor([n for members in groups for n in members]).argsort()
        return torch.cat(parts)[back_R.to(ids_T.device)]

    def _head_of(self, ids_BW: Tensor, inside_BW: Tensor, prompt_B: Tensor) -> Tensor:
        """Scores (B,) of a padded batch, whose prompts end before `prompt_B`."""
        more: dict[str, Tensor] = {}
        place_W = torch.arange(ids_BW.shape[1], device=ids_BW.device)
        if self._has_types:
            more["token_type_ids"] = ((place_W >= prompt_B[:, None]) & inside_BW).long()
        if self._positions_skipped:  # told, since it would count tokens equal to the padding's
            first = self._positions_skipped
            more["position_ids"] = torch.where(inside_BW, place_W + first, first - 1)
        head = head_of(self.inner)
        read: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _, given: read.append(given[0]))
        try:
            with self.precision():
                self.inner(input_ids=ids_BW, attention_mask=inside_BW.long(), **more)
        finally:
            hook.remove()
        with torch.autocast(ids_BW.device.type, enabled=False):
            logits_B1: Tensor = head(read[0].float())
        return logits_B1[:, 0]

    @cached_property
    def _pad_id(self) -> int:
        told = self.tokenizer.pad_token_id
        return 0 if told is None else int(told)

    @cached_property
    def _has_types(self) -> bool:
        """Whether the model tells prompt and reply apart by token types."""
        kinds = getattr(self.inner.config, "type_vocab_size", 0) or 0
        return kinds > 1 and "token_type_ids" in self.tokenizer.model_input_names

    @cached_property
    def _positions_skipped(self) -> int:
        """Positions before a sequence's first: RoBERTa and its kin keep those up to padding's."""
        for name, module in self.inner.named_modules():
            if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
                return 0 if module.padding_idx is None else module.padding_idx + 1
        return 0


def open_encoder(where: str, name: str, settings: ModelSettings, new: bool) -> EncoderReward:
    """A reward model of the weights in a folder or under a hub name.

    Args:
        where: folder or hub name, as `resolve_model` gives it.
        name: as the user called it.
        settings: full or LoRA, dtype and the rest.
        new: head and pooler that the weights lack are made, as transformers makes them, drawn from
            `settings.seed`.

    Raises:
        ModelError: the weights are not whole, have several labels, or (without `new`) no head.
        RenderError: the tokenizer joins no two texts.
    """
    settings = resolved(settings)
    tokenizer = quietly(where, AutoTokenizer.from_pretrained)
    config = quietly(where, AutoConfig.from_pretrained, **({"num_labels": 1} if new else {}))
    own = own_weights(config, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        # Read as float32, since a head that was trained must not be rounded; LoRA narrows the rest.
        model, lacking = read_weights(
            where,
            AutoModelForSequenceClassification,
            own if new else (),
            FORMER_HEADS if new else (),
            config=config,
            dtype=torch.float32,
        )
    check_tokenizer(model, tokenizer, where)
    if settings.mode == "lora" and settings.dtype == "bfloat16":
        for parameter in model.base_model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
    beside = {key.split(".")[0] for key in own if not key.startswith(model.base_model_prefix)}
    if any(".pooler." in key for key in lacking):
        beside.add("pooler")
    wrapped = prepared(model, tokenizer, settings, head=tuple(sorted(beside)))
    made = EncoderReward(wrapped, tokenizer, settings, called(name))
    _ = made.renderer  # a tokenizer that cannot serve is told now
    return made
