"""A user's file as text: byte-order marks are obeyed, else UTF-8 or what is asked for."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from handrail.records import RecordError, SettingError
from handrail.records.store import raw_lines

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# UTF-8 that was read as cp1252 or latin-1 and saved again, or bytes that were lost.
MOJIBAKE = re.compile(
    "\u00c3[\u0080-\u00bf\u0192\u201a\u00a0]|\u00e2\u20ac|\u00c2[\u00a0-\u00bf]|\ufffd"
)

_UTF16 = "Save it as UTF-8, or import it with --encoding utf-16-le (encoding= in Python)"


def mend_encoding(encoding: str | None) -> str:
    """What to do about bytes that are not of the encoding (None: the one taken by default)."""
    if encoding not in (None, "detect"):
        return "Name the file's own encoding, or save it as UTF-8"
    return (
        "Save it as UTF-8, or import it with --encoding cp1252 (encoding= in Python); "
        "'detect' tries the usual ones"
    )


def read_text(
    path: str | Path,
    encoding: str | None = None,
    *,
    mark: bool = False,
    lost: list[RecordError] | None = None,
) -> str:
    """The text of a file, gzip or not.

    Args:
        path: the file.
        encoding: None obeys a byte-order mark, else reads UTF-8; "detect" also tries cp1252 and
            latin-1 where the file is not UTF-8; any other name is taken as it is.
        mark: leave the code points U+DC80 to U+DCFF in the place of bytes that the encoding does
            not know (`errors="surrogateescape"`), where it can do that, instead of stopping.
        lost: see `raw_lines`.

    Raises:
        RecordError: a byte that the encoding does not know; names its position and the mend.
        SettingError: an encoding that does not exist.
    """
    path = Path(path)
    raw = b"".join(raw_lines(path, lost))
    if encoding in (None, "detect"):
        marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
        chosen = [marked] if marked else ["utf-8"]
        if encoding == "detect" and not marked:
            chosen += ["cp1252", "latin-1"]
    else:
        chosen = [str(encoding)]
    problem: Exception | None = None
    for name in chosen:
        try:
            errors = "surrogateescape" if mark and name == chosen[-1] else "strict"
            text = raw.decode(name, errors).removeprefix("\ufeff")
            if "\x00" in text[:2000]:
                raise RecordError(
                    f"the file holds NUL characters when it is read as {name.upper()}",
                    "It may be UTF-16. " + _UTF16,
                    str(path),
                )
            return text
        except UnicodeDecodeError as error:
            problem = problem or error
        except (LookupError, ValueError) as error:
            raise SettingError(
                f"there is no text encoding '{name}' ({error})",
                "Try 'utf-8', 'utf-16', 'cp1252', 'latin-1' or 'detect'",
                "encoding",
            ) from None
    assert isinstance(problem, UnicodeDecodeError)
    line = raw.count(b"\n", 0, problem.start) + 1
    raise RecordError(
        f"byte {problem.start} (0x{raw[problem.start]:02x}) is not {chosen[0].upper()}",
        _UTF16 if b"\x00" in raw[:200] else mend_encoding(encoding),
        f"{path}, line {line}",
    )
