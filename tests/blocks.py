"""Run a code block of a page as a reader would."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from handrail.cli.group import invoke

BLOCK = re.compile(
    r"(?:<!-- (?P<mark>skip|slow): (?P<why>[^>]+) -->\n)?"
    r"```(?P<kind>bash|python)\n(?P<code>.*?)```",
    re.DOTALL,
)


def run_block(kind: str, code: str, folder: Path) -> str:
    """What a bash or python block prints in a folder; a block that fails fails the test.

    Python and plain lines of `handrail` run in this process, which has loaded the libraries
    already; lines with pipes, and blocks with texts for files, run in a shell.
    """
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as printed:
        if kind == "python":
            exec(code, {"__name__": "__main__"})
        elif "<<" in code:
            _in_shell(code)
        else:
            for line in code.replace("\\\n", " ").splitlines():
                _run_line(line)
    return printed.getvalue()


def _run_line(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words and words[0] == "handrail" and not {"|", ">", "&&"} & set(words):
        assert invoke(words[1:]) == 0, line
    elif words:
        _in_shell(line)


def _in_shell(code: str) -> None:
    """Run it by bash, which stops at the first command that fails."""
    scripts = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    line = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
