"""How an endpoint is reached, and how much may be asked of it. Holds no key, ever."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from handrail.records import ModelError, SettingError, unknown_setting

OPENAI = "https://api.openai.com/v1"
_DEFAULT_KEY_ENV = "OPENAI_API_KEY"
_LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}
NO_KEY = "none"  # what servers that ask for no key are sent, since the client wants one


class EndpointSettings(BaseModel):
    """An OpenAI-compatible endpoint and the limits of asking it.

    Attributes:
        model: the name by which the endpoint knows the model.
        base_url: where it is, as in http://localhost:8000/v1; None is what the environment's
            OPENAI_BASE_URL says, else OpenAI's.
        key_env: the name of the environment variable that holds the key. The key itself is read
            when the first question is sent, and kept nowhere else.
        in_flight: questions that are on their way at the same time.
        timeout: seconds after which a request is given up (and tried again).
        retries: how often a request is tried again after 429, 5xx, a time-out or a lost
            connection.
        wait: seconds before the first retry, about; doubles with each, unless the endpoint says.
        longest_wait: seconds between two tries at most; an endpoint that wants more has failed.
        repairs: rounds in which the model is told what was wrong with its reply.
        max_requests: requests at most, retries and repairs with them; None is no limit.
        max_cost: the most that may be spent, in the price table's currency; None is no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(min_length=1)
    base_url: str | None = None
    key_env: str = _DEFAULT_KEY_ENV
    in_flight: int = Field(default=16, ge=1, le=1024)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=6, ge=0)
    wait: float = Field(default=0.5, ge=0)
    longest_wait: float = Field(default=120.0, ge=0)
    repairs: int = Field(default=1, ge=0)
    max_requests: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0)

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return None if value is None else _checked_url(value)

    @field_validator("key_env")
    @classmethod
    def _a_name(cls, value: str) -> str:
        # A key given here by mistake must not be shown, so the message does not repeat it.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            raise ValueError("it takes the name of an environment variable, never a key")
        return value

    @classmethod
    def of(cls, **values: Any) -> EndpointSettings:
        """Settings from values as a user gave them.

        Raises:
            SettingError: an unknown name, or a value of the wrong type or out of range.
        """
        for name in values:
            if name not in cls.model_fields:
                raise unknown_setting(name, cls.model_fields, "an endpoint")
        problem: tuple[str, str] | None = None
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            name = str(first["loc"][0])
            shown = "" if name == "key_env" else f" cannot be {str(first['input'])[:80]!r}"
            if name == "base_url":
                shown = " cannot be used"  # it may hold a key
            message = first["msg"].removeprefix("Value error, ")
            problem = (f"'{name}'{shown or ' cannot be used'}", message[:1].upper() + message[1:])
        raise SettingError(*problem)  # outside, so that no context holds what was given

    @property
    def url(self) -> str:
        """Where the endpoint is.

        Raises:
            SettingError: the environment's OPENAI_BASE_URL is no URL.
        """
        if self.base_url is not None:
            return self.base_url
        given = os.environ.get("OPENAI_BASE_URL", "").strip()
        if not given:
            return OPENAI
        problem = ""
        try:
            return _checked_url(given)
        except ValueError as error:
            problem = str(error)
        raise SettingError(f"OPENAI_BASE_URL cannot be used: {problem}", "Set it or unset it")

    @property
    def local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return urlsplit(self.url).hostname in _LOCAL

    def key(self) -> str:
        """The key of the environment; a placeholder for servers that need none.

        Raises:
            ModelError: it is needed, or named, and not there; or it cannot be one.
        """
        key = os.environ.get(self.key_env, "").strip()
        if not key and (self.key_env != _DEFAULT_KEY_ENV or self.url == OPENAI):
            # What is no plain name may be a key that was given by mistake: it is not repeated.
            plain = re.fullmatch(r"[A-Z_]{3,40}", self.key_env)
            named = self.key_env if plain else "the variable that --key-env names"
            raise ModelError(
                f"there is no key for {self.url}: {named} is not set",
                f"export {named}=..., once" if plain else "--key-env takes its name, never a key",
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ModelError(
                f"what {self.key_env} holds is no key (spaces, or letters that are not ASCII)",
                "Copy it again",
            )
        return key or NO_KEY


def _checked_url(value: str) -> str:
    """The URL without a slash at its end.

    Raises:
        ValueError: it is none, or has a part in which keys are sometimes put.
    """
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 (raises where it is no number)
    except ValueError:
        raise ValueError("write it as in http://localhost:8000/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write it as in http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "give scheme, host and path only; a key belongs into an environment variable"
        )
    return value.rstrip("/")
