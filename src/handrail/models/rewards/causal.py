"""A causal language model with a scalar head, on token trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from handrail.models.attention import ATTENTION, register
from handrail.models.load import prepared, resolved
from handrail.models.rewards.base import RewardModel
from handrail.models.rewards.rows import Pair, rows_of
from handrail.models.settings import ModelSettings
from handrail.models.whole import check_tokenizer, quietly, read_weights
from handrail.records import AskProgress, ModelError, Turn, called
from handrail.trees import Forest, Renderer, TreeBatch, TreeSettings, build_trees

HEAD = "score"  # what transformers calls the head of its classifiers of decoders
_FORMER_HEADS = ("lm_head.", "embed_out.")  # of the language model that gets a score's head
# On a CPU, 1,024 tokens are 10 % slower and 4,096 no faster (the packaged model, prompts of 600).
_ROW_TOKENS = {"cpu": 2048}
_ROW_TOKENS_ELSEWHERE = 16384


class CausalReward(RewardModel):
    """The score is a linear function of the last state of a reply's end-of-turn token.

    The K replies of a prompt, and turns of one conversation, run through the model in one pass over
    what they share. Stiennon et al. 2020 (arXiv 2009.01325), section 3.4 and appendix B.1; the
    head is computed in float32 whatever the model's type.

    Attributes:
        row_tokens: tokens of a row when replies are scored, as far as one reply is not longer;
            changes memory and speed, not the scores. None is by the device.
    """

    auto_class = AutoModelForSequenceClassification
    kind: ClassVar[str] = "causal"
    row_tokens: int | None = None

    @cached_property
    def renderer(self) -> Renderer:
        """Makes tokens of prompts and replies."""
        return Renderer(self.tokenizer)

    def scores(self, batch: TreeBatch) -> Tensor:
        """Raw scores (R,), float32, of a row's replies; differentiable."""
        read_L = batch.last_R.unique(sorted=True)
        with self.precision():
            last_RD = self.forward_tree(batch, read_L)[batch.last_R]
        with torch.autocast(self.device.type, enabled=False):
            scores_R1: Tensor = getattr(self.inner, HEAD)(last_RD.float())
        return scores_R1[:, 0]

    def build(self, turns: Iterable[Turn], settings: TreeSettings | None = None) -> Forest:
        """Token trees of the turns and all their replies.

        Raises:
            RenderError: as `build_trees`.
        """
        return build_trees(turns, self.renderer, settings or self._tree_settings())

    def _tree_settings(self) -> TreeSettings:
        """The usual ones, within the model's positions."""
        usual = TreeSettings()
        longest = min(usual.max_tokens, self.max_positions or usual.max_tokens)
        return TreeSettings(max_tokens=longest)

    @torch.inference_mode()
    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        """One raw score per reply, in their order; NaN where one does not fit the model.

        They run in the order of their tokens, so that equal beginnings run once.
        """
        pairs = self._pairs(replies)
        longest = self.max_positions or 2**31
        fitting = [pair for pair in pairs if len(pair) <= longest]
        scores = [float("nan")] * len(pairs)
        device, training = self.device, self.model.training
        room = self.row_tokens or _ROW_TOKENS.get(device.type, _ROW_TOKENS_ELSEWHERE)
        done = 0
        self.model.eval()
        try:
            for members, batch in rows_of(fitting, room):
                given = self.scores(batch.to(device)).tolist()
                for pair, score in zip(members, given, strict=True):
                    scores[pair.place] = score
                done += len(members)
                if progress is not None:
                    progress(done, len(fitting))
        finally:
            self.model.train(training)
        return scores

    def _pairs(self, replies: Sequence[tuple[Turn, str]]) -> list[Pair]:
        prompts: dict[int, tuple[int, ...]] = {}  # by object: each turn is rendered once
        pairs = []
        for place, (turn, reply) in enumerate(replies):
            if id(turn) not in prompts:
                prompts[id(turn)] = tuple(self.renderer.prompt_ids(turn))
            ids = tuple(self.renderer.reply_ids(reply))
            pairs.append(Pair(prompts[id(turn)], ids, place))
        return pairs


def open_causal(where: str, name: str, settings: ModelSettings, new: bool) -> CausalReward:
    """A reward model of the weights in a folder or under a hub name.

    Args:
        where: folder or hub name, as `resolve_model` gives it.
        name: as the user called it.
        settings: full or LoRA, dtype and the rest.
        new: a head that the weights lack is made: normal with variance 1 / (D + 1) for D features
            (Stiennon et al. 2020, appendix B.1), drawn from `settings.seed`.

    Raises:
        ModelError: the weights are not whole, have several labels, or (without `new`) no head.
    """
    settings = resolved(settings)
    register()
    tokenizer = quietly(where, AutoTokenizer.from_pretrained)
    # Read as float32, since a head that was trained must not be rounded; LoRA narrows the rest.
    model, lacking = read_weights(
        where,
        AutoModelForSequenceClassification,
        (f"{HEAD}.weight",) if new else (),
        _FORMER_HEADS if new else (),
        dtype=torch.float32,
        attn_implementation=ATTENTION,
        **({"num_labels": 1} if new else {}),
    )
    _check(model, where)
    check_tokenizer(model, tokenizer, where)
    if lacking:
        _draw(getattr(model, HEAD), settings.seed)
    if settings.mode == "lora" and settings.dtype == "bfloat16":
        for parameter in model.base_model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
    wrapped = prepared(model, tokenizer, settings, head=(HEAD,))
    made = CausalReward(wrapped, tokenizer, settings, called(name))
    _set_padding(made)
    return made


def _check(model: Any, where: str) -> None:
    if model.config.num_labels != 1:
        raise ModelError(
            f"the model has {model.config.num_labels} labels, and a reward model has one score",
            "Name a sequence classifier that was trained with num_labels=1",
            where,
        )
    if not isinstance(getattr(model, HEAD, None), nn.Linear):
        raise ModelError(
            f"{type(model).__name__} has no linear '{HEAD}' that reads its last state",
            "Use a model of the Llama, Mistral, Qwen or GPT-2 families, or kind='encoder'",
            where,
        )


def _draw(head: nn.Linear, seed: int) -> None:
    """First values of a new head."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        drawn = torch.randn(head.weight.shape, generator=rng)
        head.weight.copy_(drawn / (head.in_features + 1) ** 0.5)


def _set_padding(reward: CausalReward) -> None:
    """Name a padding token by which transformers finds the place that is read here.

    It reads the last token that is no padding; with the end of a reply as padding, as tokenizers
    often have it, that would be the token before the end.
    """
    tokenizer, end = reward.tokenizer, reward.renderer.stop_ids[0]
    pad = tokenizer.pad_token_id
    if pad is None or pad == end:
        special = sorted(set(tokenizer.all_special_ids) - {end})
        if special:  # it is one token whatever stands around it already: no text changes
            pad = special[0]
            tokenizer.add_special_tokens({"pad_token": tokenizer.convert_ids_to_tokens(pad)})
        else:
            pad = 0 if end else 1
    reward.inner.config.pad_token_id = pad
