"""HTML as the text that a reader sees: paragraphs, lists and code kept apart by line breaks."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    ("p", "div", "pre", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "table", "hr")
)
_HIDDEN = frozenset(("script", "style"))
_TAG = re.compile(r"</?(?:p|pre|code|ul|ol|li|br|blockquote|h[1-6]|a|em|strong|hr)\b[^<>]*>")


class _Reader(HTMLParser):
    """Collects the words; lines of code stay as they are."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._code, self._hidden = 0, 0

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        """A block begins a paragraph, a line break a line, an item a line with a dash."""
        self._code += tag == "pre"
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.parts.append("\n\n")
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "li":
            self.parts.append("\n- ")

    def handle_endtag(self, tag: str) -> None:
        """A block ends a paragraph."""
        self._code -= tag == "pre" and self._code > 0
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        """Words: line breaks outside of code are spaces."""
        if self._hidden:
            return
        words = data if self._code else re.sub(r"\s+", " ", data)
        begins = not self.parts or self.parts[-1].endswith("\n")
        self.parts.append(words.lstrip(" ") if begins and not self._code else words)


def plain_text(text: str) -> str:
    """The text without its tags; a text that has none of HTML's usual tags stays as it is."""
    if not _TAG.search(text):
        return text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return re.sub(r" *\n(?: *\n){2,}", "\n\n", "".join(reader.parts)).strip()
