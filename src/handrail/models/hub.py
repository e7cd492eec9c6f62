"""Whether a model named by its hub name can be fetched, asked once and briefly before it is loaded.

The hub client tries again for about a minute where nothing answers. One request of ours first makes
that a matter of seconds: an error, or the copy in the cache.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from queue import Empty, SimpleQueue

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HTTPError

from handrail.records import HandrailWarning, ModelError

WAIT_S = 8.0  # for the answer of the hub, all addresses of its name together


def found(name: str) -> str:
    """Where to load the model `name` from: the name itself, or the folder of the cached copy.

    The copy is taken where the hub gives no answer, with a warning. Whatever the hub answers, that
    it knows no such name included, is left to the loader to act on.

    Raises:
        ModelError: the hub gives no answer, and the cache does not hold the model.
    """
    if constants.is_offline_mode():
        return name  # the client asks nobody then
    reason = _silence(name)
    if not reason:
        return name
    copy = try_to_load_from_cache(name, "config.json")
    if not isinstance(copy, str):
        raise ModelError(
            f"the hub at {constants.ENDPOINT} cannot be reached ({reason}), and the model is not "
            "in the cache",
            "Check the network (and HF_ENDPOINT, if set), or give the path of a folder",
            name,
        )
    warnings.warn(
        f"the hub at {constants.ENDPOINT} cannot be reached ({reason}): '{name}' is loaded from "
        "the cache, as old as it is. HF_HUB_OFFLINE=1 takes the cache without asking.",
        HandrailWarning,
        stacklevel=4,
    )
    # As a folder: not all of the loaders' requests can be kept from the hub by an argument.
    return str(Path(copy).parent)


def _silence(name: str) -> str:
    """Why the hub did not answer within `WAIT_S`; "" where it did, with whatever."""
    answer: SimpleQueue[str] = SimpleQueue()

    def ask() -> None:
        try:
            get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=WAIT_S)
        except HTTPError as error:
            answered = getattr(error, "response", None) is not None
            answer.put("" if answered else str(error) or type(error).__name__)
        except (OSError, ValueError):
            answer.put("")  # no name of a model, or no file behind it: the loader says so
        else:
            answer.put("")

    # A name lookup, or a second and third address of the hub, are within no timeout of the client.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=WAIT_S)
    except Empty:
        return f"no answer within {WAIT_S:g} s"
