"""Every test is offline, seeded and without deadlines."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["COLUMNS"] = "100"

from hypothesis import settings

settings.register_profile("handrail", deadline=None, derandomize=True)
settings.load_profile("handrail")

gc.set_threshold(20_000)  # a tenth of the time went into looking for garbage


def pytest_collection_finish() -> None:
    """What is loaded by now stays: it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()
