"""The process that makes one seed's stages (see parallel.py, which starts it).

It reads its job, one line of JSON, from standard input, and says on standard output, a line of JSON
each, how far it is, what it warns of and what went wrong. It works in a folder that the process
which started it holds, so it must not outlive that one: it ends when its standard input does.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

from handrail.recipes import flow1, flow2
from handrail.recipes.corpus import Corpora
from handrail.recipes.flow import set_threads
from handrail.recipes.run import Run
from handrail.recipes.settings import FlowSettings
from handrail.records import HandrailWarning

FLOWS = {flow.name: flow for flow in (flow1.FLOW, flow1.QUICKSTART, flow2.FLOW)}


def main() -> None:
    """Make the stages of the job on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the first process decides
    # What a library prints must not come between the lines.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tell(**message: Any) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, HandrailWarning):
            tell(warning=str(message))
        else:
            before(message, category, *rest, **more)

    before, warnings.showwarning = warnings.showwarning, show
    try:
        _work(job, lambda *at: tell(progress=at))
    except Exception as error:
        tell(error=_pickled(error), traceback=traceback.format_exc())
    channel.close()


def _work(job: dict[str, Any], progress: Any) -> None:
    """One seed of a flow; its settings are resolved and what seeds share is made."""
    settings = FlowSettings(**job["settings"])
    set_threads(job["threads"])
    flow, seed = FLOWS[job["flow"]], job["seed"]
    folder = Path(job["folder"])
    corpus = Corpora(settings, feedback=flow.feedback, folder=folder).of(seed)
    flow.one_seed(Run(folder, progress), settings, corpus, seed)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _pickled(error: Exception) -> str:
    """The exception for the other process; as plain text where it cannot be sent."""
    try:
        made = pickle.dumps(error)
        pickle.loads(made)
    except Exception:
        made = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return base64.b64encode(made).decode()
