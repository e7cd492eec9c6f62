"""The only place where messages become text and tokens.

Prompt and reply are tokenised apart, so the boundary is exact: `prompt_ids(turn) +
reply_ids(text)` is what the model reads, and every token of `reply_ids`, the end-of-turn token
included, is trained. A turn's prompt is built from the one before it (its prompt, the reply that
was given, what came after), so equal conversations give equal tokens whatever was rendered before.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any, Literal

from handrail.records import Message, Playbook, RenderError, Turn
from handrail.trees import styles
from handrail.trees.chat import OTHER_STYLE, ChatFormat

Style = Literal["auto", "guardrail", "chat"]
_CACHE_SIZE = 20_000


class Renderer:
    """Turns `Turn`s into tokens for one tokenizer, in the guardrail style or its chat template.

    Args:
        tokenizer: a transformers tokenizer.
        style: "guardrail" is the prompt of fig. 1 of the guardrail-alignment paper (reference
            000); "chat" is the tokenizer's own template; "auto" is what the tokenizer states as
            `handrail_style`, else chat where there is a template, else guardrail.

    Attributes:
        stop_ids: tokens that end a reply; the first is the one that is trained.
        pad_id: a token for padding outside of trees (sampling); may equal a stop token.
        counts: what had to be folded or neutralised, by name, for the run's report.

    Raises:
        RenderError: no chat template (style chat), or no end-of-turn token.
    """

    def __init__(self, tokenizer: Any, style: Style = "auto") -> None:
        self.tokenizer = tokenizer
        self.counts: Counter[str] = Counter()
        self.style = _choose_style(tokenizer, style)
        self._chat = ChatFormat(tokenizer) if self.style == "chat" else None
        eos = tokenizer.eos_token_id
        end = self._chat.end_id if self._chat is not None else eos
        if end is None:
            raise RenderError(
                "the tokenizer has no end-of-turn (eos) token, so a reply could never end",
                "Name one of its tokens as eos_token in its tokenizer_config.json "
                "(tokenizer.eos_token in Python)",
            )
        self.stop_ids: tuple[int, ...] = (end,) if eos in (None, end) else (end, eos)
        self.pad_id: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end
        self._bos = _leading_bos(tokenizer)
        self._pieces: OrderedDict[Any, Any] = OrderedDict()

    @property
    def supports_tool_role(self) -> bool:
        """Whether facts go to the model under a role of their own."""
        return self._chat is None or self._chat.tool_role

    def prompt_ids(self, turn: Turn) -> list[int]:
        """Token ids of the playbook, the context and the cue for the agent's reply."""
        return self.context_ids(turn.playbook, turn.context)

    def context_ids(self, playbook: Playbook | None, context: tuple[Message, ...]) -> list[int]:
        """`prompt_ids` for a playbook and a context that are in no turn yet."""
        if self._chat is None:
            return self._guardrail_ids(playbook, context)
        return list(self._chat_prompt(self._chat, playbook, context)[1])

    def reply_ids(self, text: str) -> list[int]:
        """Token ids of a reply; the last one is the end-of-turn token, trained like the others."""
        text = text.strip()
        text = " " + text if self._chat is None else self._chat.neutral(text, self.counts)
        return [*self._plain(text), self.stop_ids[0]]

    def decode(self, ids: list[int]) -> str:
        """The text of a sampled reply, cut at the first end-of-turn token."""
        ids = [int(i) for i in ids]
        cut = next((n for n, i in enumerate(ids) if i in self.stop_ids), len(ids))
        return str(self.tokenizer.decode(ids[:cut], skip_special_tokens=True)).strip()

    # Guardrail style: one piece per message.

    def _guardrail_ids(self, playbook: Playbook | None, context: tuple[Message, ...]) -> list[int]:
        ids = list(self._bos)
        key = ("head", _rules(playbook))
        ids += self._cached(key, lambda: self._plain(styles.guardrail_head(playbook)))
        after_agent = False
        for message in context:
            line_end = "\n" if after_agent else ""
            after_agent = message.role == "assistant"
            if after_agent:
                ids += self._plain(line_end + styles.CUE)
                ids += self.reply_ids(message.content)
            else:
                label = styles.LABELS[message.role]
                ids += self._plain(f"{line_end}{label}: {message.content.strip()}\n")
        return ids + list(self._plain(("\n" if after_agent else "") + styles.CUE))

    # Chat style: the template's text, tokenised from the last agent message on.

    def _chat_prompt(
        self, chat: ChatFormat, playbook: Playbook | None, context: tuple[Message, ...]
    ) -> tuple[str, tuple[int, ...]]:
        """The template's text and tokens up to the agent's next reply.

        Starts from the prompt of the last agent message before and goes on from there; where the
        template rewrites history, so that this is not a prefix, the whole text is tokenised.
        """
        agents = [n for n, m in enumerate(context) if m.role == "assistant"]
        rules, told = _rules(playbook), tuple((m.role, m.content) for m in context)
        known = 0  # how many agent messages lie within the longest cached prompt
        entry: tuple[str, tuple[int, ...]] | None = None
        for count in range(len(agents), -1, -1):
            end = agents[count] if count < len(agents) else len(context)
            entry = self._pieces.get(("chat", rules, told[:end]))
            if entry is not None:
                known = count + 1
                break
        for count in range(known, len(agents) + 1):
            end = agents[count] if count < len(agents) else len(context)
            before = context[agents[count - 1]] if count else None
            entry = self._extend(chat, playbook, context[:end], entry, before)
            self._remember(("chat", rules, told[:end]), entry)
        assert entry is not None
        return entry

    def _extend(
        self,
        chat: ChatFormat,
        playbook: Playbook | None,
        context: tuple[Message, ...],
        last: tuple[str, tuple[int, ...]] | None,
        reply: Message | None,
    ) -> tuple[str, tuple[int, ...]]:
        text = chat.prompt_text(playbook, context, self.counts)
        if last is not None and reply is not None:
            said = chat.neutral(reply.content.strip(), self.counts)
            head = last[0] + said + chat.end_text
            if text.startswith(head):
                ids = self.reply_ids(said)
                return text, (*last[1], *ids, *chat.encode(text[len(head) :]))
            self.counts["history rewritten by the chat template"] += 1
        return text, tuple(chat.encode(text))

    # Tokens of plain text, cached.

    def _plain(self, text: str) -> tuple[int, ...]:
        """Tokens of a text in which nothing is special, whatever it looks like."""
        return self._cached(text, lambda: self._encode_plain(text))

    def _encode_plain(self, text: str) -> tuple[int, ...]:
        return tuple(
            self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        )

    def _cached(self, key: Any, make: Any) -> tuple[int, ...]:
        found = self._pieces.get(key)
        if found is None:
            found = make()
            self._remember(key, found)
        return found

    def _remember(self, key: Any, value: Any) -> None:
        self._pieces[key] = value
        while len(self._pieces) > _CACHE_SIZE:
            self._pieces.popitem(last=False)


def _rules(playbook: Playbook | None) -> tuple[str, ...] | None:
    """What of a playbook is shown: two playbooks with equal texts give equal prompts."""
    return None if playbook is None else tuple(g.text for g in playbook.guardrails)


def _choose_style(tokenizer: Any, style: str) -> str:
    """The style in force; `RenderError` for an unknown one or a missing template."""
    if style not in ("auto", "guardrail", "chat"):
        raise RenderError(f"unknown style '{style}'", "Use 'auto', 'guardrail' or 'chat'")
    template = getattr(tokenizer, "chat_template", None)
    if style == "auto":
        stated = getattr(tokenizer, "init_kwargs", {}).get("handrail_style")
        style = stated or ("chat" if template else "guardrail")
        if style not in ("guardrail", "chat"):
            raise RenderError(
                f"the tokenizer states the style '{stated}', which there is not",
                "Set handrail_style in its tokenizer_config.json to 'guardrail' or 'chat'",
            )
    if style == "chat" and not template:
        raise RenderError("the tokenizer has no chat template", OTHER_STYLE)
    return style


def _leading_bos(tokenizer: Any) -> tuple[int, ...]:
    """The begin-of-text token, where the tokenizer itself puts one before a text."""
    bos = tokenizer.bos_token_id
    if bos is None:
        return ()
    ids = tokenizer("a")["input_ids"]
    return (bos,) if ids and ids[0] == bos else ()
