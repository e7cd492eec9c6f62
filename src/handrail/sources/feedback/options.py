"""A source's options: named, checked, each with its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from handrail.records import SettingError, unknown_setting
from handrail.records.faults import one_of, plain


class Options(BaseModel):
    """No options."""

    model_config = ConfigDict(frozen=True, extra="forbid")


O = TypeVar("O", bound=Options)  # noqa: E741


def several(value: Any) -> Any:
    """`en,es` of a command line as a list; anything else as it is."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def options_from(kind: type[O], values: Mapping[str, Any], source: str) -> O:
    """A source's options from names and values.

    Raises:
        SettingError: a name that the source has no option for (with the nearest one), or a value
            of the wrong type or out of range.
    """
    known = kind.model_fields
    for name in values:
        if name not in known:
            if not known:
                raise SettingError(f"the source '{source}' has no options", "Leave it out", name)
            raise unknown_setting(str(name), known, f"the source '{source}'")
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else source
        raise SettingError(
            f"the option '{name}' of {source}: {plain(first)}", one_of(first) or "Mend its value"
        ) from None
