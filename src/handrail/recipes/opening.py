"""Open a language model behind an endpoint; where the care world plays it, start its server."""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.records import SettingError

if TYPE_CHECKING:
    from handrail.sampling.server import AnswerCache, Endpoint, EndpointSettings, Prices

WORLD = "world"  # the care world plays the model


def model_name(name: str) -> str:
    """The name by which the endpoint knows the model: `openai:NAME` is NAME.

    Raises:
        SettingError: it is empty.
    """
    model = name.removeprefix("openai:")
    if not model:
        raise SettingError(f"'{name}' names no model", "Write openai:NAME")
    return model


# The first arguments go by their places: a setting of their name is one that no endpoint knows.
def open_endpoint(
    model: str,
    cache: str | Path | AnswerCache | None = None,
    prices: str | Path | Prices | None = None,
    faults: Mapping[str, Any] | None = None,
    /,
    **settings: Any,
) -> Endpoint:
    """A language model that answers questions.

    Args:
        model: the name by which the endpoint knows it.
        cache: file of answers; None keeps none.
        prices: YAML file of prices that go before the packaged ones.
        faults: how the care world, which plays the model, errs on purpose (`world.Faults`). Its
            server is started in this process, and ends with it. None: it is not played.
        **settings: the other fields of `EndpointSettings`.

    Raises:
        HandrailError: a setting or file that cannot be used, or a server that does not start.
    """
    from handrail.sampling.server import AnswerCache, Endpoint

    made, table = check_endpoint(model, prices, **settings)
    kept = AnswerCache(cache) if isinstance(cache, str | Path) else cache
    if faults is not None:
        from handrail.world.serve import serving

        stack = ExitStack()
        url = stack.enter_context(serving(model, **faults))
        atexit.register(stack.close)
        made = made.model_copy(update={"base_url": url})
    return Endpoint(made, kept, table)


def check_endpoint(
    model: str, prices: str | Path | Prices | None = None, /, **settings: Any
) -> tuple[EndpointSettings, Prices]:
    """The settings of an endpoint and the table of prices, before anything is opened or asked.

    Raises:
        SettingError: a setting or the file of prices cannot be used, or a limit has no price.
    """
    from handrail.sampling.server import Endpoint, EndpointSettings, Prices

    made = EndpointSettings.of(model=model, **settings)
    table = prices if isinstance(prices, Prices) else Prices.read(prices)
    Endpoint(made, None, table)  # refuses a limit without a price
    return made, table
