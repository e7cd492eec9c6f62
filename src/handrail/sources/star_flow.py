"""STAR's flow charts: per task its acts, the order of its questions and what follows an answer.

A task of `guidelines.json` has a graph (act -> next act, with nodes for queries and their
outcomes), a canonical reply per act, and the query interface that the agents filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from handrail.records import RecordError
from handrail.sources.reading import json_file
from handrail.sources.star_acts import SIBLINGS, TELLS, VARIANTS
from handrail.sources.star_asks import ASKS

# Nodes of a graph that nobody says: queries, their outcomes, and the customer's answers.
_SILENT = {
    "query", "query_check", "query_book", "query_success", "query_failure", "available",
    "unavailable", "info_missing", "info_missing2", "yes", "no", "correct", "incorrect",
    "noanswer", "done",
}  # fmt: skip
SLOT = re.compile(r"\{(\w+)(?::\w)?\}")
# One canonical act has several names in the data.
_ALIASES = {
    "goodbye_1": "goodbye", "goodbye_2": "goodbye", "bank_bye": "goodbye", "doctor_bye": "goodbye",
    "meeting_bye": "goodbye", "party_bye": "goodbye", "ride_bye": "goodbye",
    "spaceship_bye": "goodbye", "trip_bye": "goodbye", "trivia_bye": "goodbye",
    "weather_bye": "goodbye", "plane_ask_departure_city": "ask_departure_location",
    "trip_ask_departure_location": "ask_departure_location",
}  # fmt: skip


def same_act(action: str) -> str:
    """The one name of an act that the data calls by several (all farewells, the departure)."""
    return _ALIASES.get(action, action)


def template_pattern(template: str) -> str:
    """A pattern for a canonical reply: its words in order, anything in its slots.

    Spaces, quotes and the closing punctuation may differ. A template that is only a slot gives
    the empty string, since it would match everything.
    """
    parts = SLOT.split(template)
    words = parts[0::2]
    if not any(re.search(r"[A-Za-z]{2}", w) for w in words):
        return ""
    loose = []
    for part in words:
        folded = re.sub(r"\s+", " ", part.replace("\u2019", "'"))
        escaped = "".join(
            r"\s*" if c == " " else (re.escape(c) + ("?" if c in ",.!?'@" else "")) for c in folded
        )
        loose.append(escaped)
    body = r"[^\n]{1,120}?".join(loose)
    return re.sub(r"(?:\\s\*)+$", "", body)


@dataclass(frozen=True)
class Flow:
    """One task: `replies` act -> template, `graph` act -> next act, `chain` its questions.

    `results` maps an outcome of the system ("available", "booked", "found", "failed", ...) to the
    act that must tell it; `api` is the name that the task's lookups have in the context; `names`
    are the values that the query interface lists (hotels, doctors, days), if capitalised.
    """

    task: str
    replies: Mapping[str, str]
    graph: Mapping[str, str]
    chain: tuple[str, ...]
    results: Mapping[str, str]
    api: str
    two_stage: bool
    names: tuple[str, ...]

    def patterns(self, action: str) -> tuple[str, ...]:
        """Patterns of an act: its template's, and the further wordings that people use."""
        if action.endswith("nothing_found"):
            extra = TELLS["nothing_found"]
        elif same_act(action) == "goodbye":
            extra = TELLS["goodbye"]
        elif action in ASKS:
            extra = ASKS[action][1]
        else:
            extra = TELLS.get(action, ())
        return (*self.canonical(action), *extra)

    def canonical(self, action: str) -> tuple[str, ...]:
        """Patterns of the canonical wordings alone; empty for a reply that is only a slot."""
        wordings = (self.replies.get(action, ""), *VARIANTS.get(action, ()))
        return tuple(p for p in map(template_pattern, wordings) if p)

    def template(self, action: str) -> str:
        """The canonical wording as a person reads it: slots in angle brackets, one line."""
        text = SLOT.sub(lambda m: f"<{m.group(1).replace('_', ' ')}>", self.replies[action])
        return re.sub(r"\s+", " ", text).strip()

    def goodbye(self) -> str:
        """The task's own name of the farewell."""
        return next((a for a in self.replies if same_act(a) == "goodbye"), "goodbye_1")

    def nothing_found(self) -> str | None:
        """The act that tells that the lookup found nothing, where the task has one."""
        return next((a for a in self.replies if a.endswith("nothing_found")), None)

    def siblings(self, action: str) -> tuple[str, ...]:
        """The act and those that may stand for it after the same answer."""
        others = (a for a in SIBLINGS.get(action, ()) if a in self.replies)
        return (action, *others)


def _results(graph: Mapping[str, str], replies: Mapping[str, str]) -> dict[str, str]:
    """Outcome -> act, from the graph's outcome nodes."""
    found: dict[str, str] = {}
    two_stage = "query_book" in graph.values()
    book = "available" in graph or "available" in replies
    for node, outcome in (("available", "available"), ("unavailable", "unavailable")):
        if node in graph:
            found[outcome] = graph[node]
    late = two_stage and book
    for node, early_name, late_name in (
        ("query_success", "found", "booked"),
        ("query_failure", "failed", "not_booked"),
    ):
        if node in graph:
            found[late_name if late else early_name] = graph[node]
    if "query_book" in graph and graph["query_book"] in replies:
        found["booked"] = graph["query_book"]
    if "query" in graph and graph["query"] in replies:
        found["found"] = graph["query"]
    return found


def _chain(graph: Mapping[str, str], fields: Sequence[str]) -> tuple[str, ...]:
    """The questions in the order of the graph, from `hello` to the first query.

    The name is left out where the query interface has no field for it: nobody asked for it there.
    """
    chain: list[str] = []
    node = graph.get("hello")
    while node and node not in _SILENT and node not in chain:
        chain.append(node)
        node = graph.get(node)
    named = any(f.endswith("Name") and f not in ("Name", "BankName", "DriverName") for f in fields)
    return tuple(a for a in chain if a in ASKS and (named or a != "ask_name"))


def load_flows(path: str | Path) -> dict[str, Flow]:
    """The flows of every task in STAR's `guidelines.json`; read once while the file is the same.

    Raises:
        RecordError: the file is missing, is not JSON, or lacks a task's graph or replies.
    """
    path = Path(path)
    if not path.exists():
        raise RecordError(
            "there is no guidelines.json beside the dialogues",
            "Put STAR's guidelines.json into the same folder",
            str(path),
        )
    state = path.stat()
    return _flows(path, path.resolve(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _flows(path: Path, *_state: object) -> dict[str, Flow]:
    try:
        return {task: _flow(task, item) for task, item in json_file(path, "guidelines").items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"these are not STAR's guidelines ({type(error).__name__}: {error})",
            "Each task needs 'graph', 'replies', 'responses' and 'api'",
            str(path),
        ) from None


def _names(api: dict[str, Any]) -> set[str]:
    """Capitalised values of the query interface's lists; plain answers are no names."""
    values = {str(v) for f in api["input"] + api["output"] for v in f.get("Categories", ())}
    return {v for v in values if len(v) > 3 and v[0].isupper() and v not in ("Check", "Book")}


def _flow(task: str, item: dict[str, Any]) -> Flow:
    said = {a: t for a, t in item["replies"].items() if a not in _SILENT}
    replies = {**item["responses"], **said}
    api = item["api"]
    graph = item["graph"]
    return Flow(
        task=task,
        replies=replies,
        graph=graph,
        chain=_chain(graph, [f["Name"] for f in api["input"]]),
        results=_results(graph, replies),
        api=task,
        two_stage="query_book" in graph.values(),
        names=tuple(sorted(_names(api))),
    )
