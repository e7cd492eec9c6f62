"""What a tokenizer's chat template can take, found by trying it once."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from handrail.records import Message, Playbook, RenderError
from handrail.trees import styles

_USER, _REPLY, _FACT = "ZQuserQZ", "ZQreplyQZ", "ZQfactQZ"
# Templates of reasoning models write an empty thought into the reply unless they are told not to.
_VARIANTS: tuple[dict[str, Any], ...] = ({}, {"enable_thinking": False})
OTHER_STYLE = (
    "Use the guardrail style (--style guardrail for generate and chat, --set style=guardrail for "
    "run and train, style='guardrail' in Python), or mend the tokenizer's chat template"
)


class ChatFormat:
    """A chat template with what was found out about it.

    Attributes:
        end_id, end_text: the token that the template writes after a reply, and its text.
        system_role, tool_role: whether the template shows such messages.

    Raises:
        RenderError: the template fails, its prompt is not a prefix of prompt + reply, or it
            writes no end-of-turn token.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._special = sorted(_special_texts(tokenizer), key=len, reverse=True)
        self._special_re = re.compile("|".join(map(re.escape, self._special)) or r"(?!)")
        user, reply = _message("user", _USER), _message("assistant", _REPLY)
        self._kwargs, tail = self._find_variant([user], [user, reply])
        self.end_id, self.end_text = self._find_end(tail)
        system = _message("system", _FACT)
        self.system_role = _FACT in self._try([system, user], prompt=True)
        tool = _message("tool", _FACT)
        self.tool_role = _FACT in self._try([user, tool], prompt=True)
        self._alternate = not self._try([user, reply, reply, user, user], prompt=True)

    def prompt_text(
        self, playbook: Playbook | None, context: tuple[Message, ...], counts: Counter[str]
    ) -> str:
        """The template's text for a context, up to the cue for the agent's reply."""
        messages = styles.chat_messages(
            playbook,
            context,
            system_role=self.system_role,
            tool_role=self.tool_role,
            alternate=self._alternate,
        )
        for message in messages:
            message["content"] = self.neutral(message["content"], counts)
        try:
            return self._render(messages, prompt=True)
        except Exception as error:
            raise RenderError(
                f"the chat template refuses this conversation ({error})", OTHER_STYLE
            ) from None

    def encode(self, text: str) -> list[int]:
        """Token ids of the template's own text, in which special tokens are special."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def neutral(self, text: str, counts: Counter[str]) -> str:
        """`text` with what looks like a special token broken up, so that it cannot act as one."""
        changed, found = self._special_re.subn(lambda m: m[0][0] + " " + m[0][1:], text)
        if found:
            counts["special tokens in messages broken up"] += found
        return changed

    def _render(self, messages: list[dict[str, str]], *, prompt: bool, **kwargs: Any) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt, **(kwargs or self._kwargs)
            )
        )

    def _try(self, messages: list[dict[str, str]], *, prompt: bool) -> str:
        """The template's text, or "" where it refuses (templates raise whatever they like)."""
        try:
            return self._render(messages, prompt=prompt)
        except Exception:
            return ""

    def _find_variant(
        self, ask: list[dict[str, str]], full: list[dict[str, str]]
    ) -> tuple[dict[str, Any], str]:
        """The template arguments under which prompt + reply begins with the prompt."""
        for kwargs in _VARIANTS:
            self._kwargs = kwargs
            try:
                start, whole = self._render(ask, prompt=True), self._render(full, prompt=False)
            except Exception as error:
                raise RenderError(f"the chat template fails ({error})", OTHER_STYLE) from None
            if whole.startswith(start + _REPLY):
                return kwargs, whole[len(start + _REPLY) :]
        raise RenderError(
            "the chat template's prompt is not a prefix of prompt + reply, so what is trained "
            "would not be what is asked",
            OTHER_STYLE,
        )

    def _find_end(self, tail: str) -> tuple[int, str]:
        """The end-of-turn token: the special token right after the reply."""
        for text in self._special:
            if tail.lstrip().startswith(text):
                lead = tail[: tail.index(text)]
                ids = self.encode(text)
                if len(ids) == 1:
                    return ids[0], lead + text
        raise RenderError(
            "the chat template writes no end-of-turn token after a reply, so it could never end",
            OTHER_STYLE,
        )


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _special_texts(tokenizer: Any) -> set[str]:
    """The texts of all tokens that the tokenizer treats as one whatever stands around them."""
    added = {str(t.content) for t in tokenizer.added_tokens_decoder.values() if t.special}
    return {t for t in added | set(map(str, tokenizer.all_special_tokens)) if t.strip()}
