"""The whole page: well formed, self-contained, the same for the same report, small enough."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from handrail.records import Assessment, Guardrail, Message, Playbook, RunError, Skip, Turn
from handrail.reports import (
    DataTable,
    Example,
    ExampleReply,
    Examples,
    Headline,
    LeftOut,
    OutcomeBars,
    Prose,
    Report,
    render,
    write_report,
)
from handrail.reports.html import tag
from handrail.reports.page import flatten

from .demo import demo

VOID = {"meta", "br", "hr", "col", "link", "img"}


class Reader(HTMLParser):
    """Checks that tags balance and notes what the page is made of."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((name, dict(attrs)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open, f"</{name}> closes nothing"
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def names(self) -> list[str]:
        return [name for name, _ in self.seen]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page() -> str:
    return render(demo(count=40, seeds=2))


def test_every_section_is_there_and_linked(page: str) -> None:
    reader = read(page)
    headings = [text for name, text in reader.texts if name == "h2"]
    assert headings == [
        "What was found",
        "Win rates",
        "How the comparisons came out",
        "How good each system is by itself",
        "Gains over training seeds",
        "Which guardrails break",
        "Training curves",
        "How long the replies are",
        "Example turns",
        "Held-out likelihoods",
        "What was skipped or cut",
        "The judge",
        "What this does not show",
        "How it was made",
    ]
    ids = [a["id"] for name, a in reader.seen if name == "section"]
    links = [str(a["href"]) for name, a in reader.seen if name == "a"]
    assert len(set(ids)) == len(ids)
    assert links == [f"#{anchor}" for anchor in ids]


def test_every_figure_has_a_caption_and_every_drawing_a_name(page: str) -> None:
    reader = read(page)
    names = reader.names()
    assert names.count("figure") == names.count("figcaption") > 10
    drawings = [a for name, a in reader.seen if name == "svg"]
    assert len(drawings) > 10
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert drawing["aria-label"]
    for match in re.finditer(r"<svg[^>]*>(.{12})", page):
        assert match[1].startswith("<title>")
    heads = [a for name, a in reader.seen if name == "th"]
    assert all(a.get("scope") in {"row", "col", "colgroup", "rowgroup"} for a in heads)


def test_nothing_comes_from_outside_and_nothing_runs(page: str) -> None:
    names = set(read(page).names())
    assert not names & {"script", "link", "img", "iframe", "object", "form"}
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:", page, re.IGNORECASE)
    assert "nan" not in re.findall(r"[a-z]+", re.sub(r"<style>.*?</style>", "", page))


def test_equal_reports_give_equal_bytes_written_whole(tmp_path: Path, page: str) -> None:
    path = write_report(tmp_path / "deep" / "report.html", demo(count=40, seeds=2))
    assert path.read_text("utf-8") == page
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    (tmp_path / "taken").mkdir()
    with pytest.raises(RunError):
        write_report(tmp_path / "taken", Report("t", []))


HOSTILE = "</style><script>alert('x')</script><img src=x onerror=\"y\"> & \x00 \ud800 \u202e"


def test_hostile_text_stays_text() -> None:
    said = "<script>alert('x')</script> & \"quotes\" </td></table>"
    turn = Turn(
        playbook=Playbook(guardrails=(Guardrail(id='"><b>', text="<b>bold</b> rule"),)),
        context=(Message(role="user", content=said),),
    )
    found = Assessment(breaks=('"><b>',), invented=("<script>",), natural=False)
    report = Report(
        title=HOSTILE,
        subtitle=HOSTILE,
        facts={HOSTILE: HOSTILE},
        sections=[
            Examples([Example(turn, [ExampleReply(HOSTILE, said, found)], why=HOSTILE)]),
            LeftOut([Skip(what=HOSTILE, reason=HOSTILE, where=HOSTILE)]),
            DataTable(HOSTILE, [HOSTILE], [[HOSTILE]]),
            Prose(HOSTILE, [HOSTILE]),
        ],
        settings={HOSTILE: HOSTILE},
        command=HOSTILE,
    )
    page = render(report)
    reader = read(page)
    assert not set(reader.names()) & {"script", "img"}
    assert all("onerror" not in a for _, a in reader.seen)
    assert page.count("<style>") == page.count("</style>") == 1
    assert "\x00" not in page
    page.encode("utf-8")
    assert ("mark", "<script>") in reader.texts
    assert "<b>bold</b> rule" in [text for _, text in reader.texts]


def test_an_empty_report_is_a_page_without_empty_sections() -> None:
    reader = read(render(Report("Nothing", [Headline([]), OutcomeBars([]), Examples([])])))
    assert "section" not in reader.names()
    assert ("h1", "Nothing") in reader.texts


def test_nothing_left_out_is_said() -> None:
    assert "Nothing was skipped or cut" in LeftOut().html()


def test_what_was_left_out_adds_up_by_reason() -> None:
    skips = [
        Skip(what="candidate", reason="empty", where="own sample", count=1200),
        Skip(what="candidate", reason="empty", where="offered", count=34),
        Skip(what="line", reason="not JSON", where="line 3"),
        Skip(what="line", reason="not JSON", where="line 9"),
        Skip(what="turn", reason="too long", where="t7"),
    ]
    section = LeftOut(skips, counts=[("reply", "cut", 31), ("reply", "empty", 0)], most=3)
    reader = Reader()
    reader.feed(section.html())
    cells = [text for name, text in reader.texts if name in ("th", "td")]
    assert [cells[n : n + 4] for n in range(0, 8, 4)] == [
        ["What", "Why", "How many", "For example"],
        ["candidate", "empty", "1,234", "own sample"],
    ]
    assert cells[8:] == ["reply", "cut", "31", "line", "not JSON", "2", "line 3"]
    (note,) = [text for name, text in reader.texts if name == "p"]
    assert note == "1,268 in all. Not shown: 1 rarer reasons, 1 in all."


def test_size_with_ten_systems_and_300_turns() -> None:
    systems = ("base", "M1-SFT", "M2-SFT", "IPO", "SFT→IPO", "SFT→KTO-pair", *"wxyz")
    assert len(systems) == 10
    page = render(demo(count=300, seeds=1, systems=systems))
    assert len(page.encode()) < 2_000_000
    read(page)


def test_settings_are_flat_and_readable() -> None:
    rows = flatten({"a": {"b": 1, "c": {}}, "d": [1, "x"], "e": None, "f": "x"})
    assert rows == [("a.b", "1"), ("a.c", "{}"), ("d", '[1, "x"]'), ("e", "null"), ("f", "x")]


def test_tag_escapes_and_leaves_out() -> None:
    assert tag("p", "<", None, tag("b", "x"), class_='a"b', hidden=False, open=True, aria_x=3) == (
        '<p class="a&quot;b" open aria-x="3">&lt;<b>x</b></p>'
    )
