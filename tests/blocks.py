"""Run a code block of a page as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_block(kind: str, code: str, folder: Path) -> str:
    """What a bash or python block prints in a folder; a block that fails fails the test."""
    scripts = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    line = ["bash", "-euo", "pipefail", "-c"] if kind == "bash" else [sys.executable, "-c"]
    done = subprocess.run(
        [*line, code], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
