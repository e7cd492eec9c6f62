"""`handrail world serve`: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from handrail.cli.group import invoke
from handrail.cli.serve import serve
from handrail.sampling.server.settings import NO_KEY
from handrail.world import Faults

SRC = str(Path(__file__).parents[2] / "src")
COMMAND = [sys.executable, "-m", "handrail", "world", "serve", "--port", "0"]


def heed_interrupts() -> None:
    """What a shell starts in the background is deaf to them, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(*options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": SRC}
    return subprocess.Popen(
        [*COMMAND, *options],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    )


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    process = started()
    yield process
    process.kill()
    process.communicate()


def test_it_prints_its_address_and_stops_on_an_interrupt(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    lines = [server.stdout.readline() for _ in range(4)]
    url = lines[0].split()[-1]
    assert lines[1].strip() == f"export OPENAI_BASE_URL={url}"
    # The placeholder, of which nothing is blotted out of replies: "any" would be, of "company".
    assert lines[2].strip() == f"export OPENAI_API_KEY={NO_KEY}"
    with urllib.request.urlopen(f"{url}/models", timeout=60) as response:
        assert json.load(response)["data"][0]["id"] == "world"
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=60)
    assert server.returncode == 0
    assert out == ""
    assert err == "Stopped after 0 requests.\n"


def test_json_is_the_only_thing_on_stdout_and_death_is_told() -> None:
    process = started("--json", "--die-after", "1", "--model", "mine")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["model"] == "mine"
    body = json.dumps({"model": "mine", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    request = urllib.request.Request(f"{told['base_url']}/chat/completions", body)
    with urllib.request.urlopen(request, timeout=60) as response:
        assert json.load(response)["choices"]
    with pytest.raises((OSError, ConnectionError)):
        urllib.request.urlopen(request, timeout=60)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert err == "Broke off after 1 request (--die-after).\n"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--wrong", "0.8", "--refuse", "0.4"], "add up to more than 1"),
        (["--wrong", "80"], "80"),
        (["--port", "99999"], "99999"),
        (["--host", "no such host"], "cannot be used"),
    ],
)
def test_what_cannot_be_is_refused(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["world", "serve", *options]) == 2
    assert problem in capsys.readouterr().err


def test_a_port_in_use_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert invoke(["world", "serve", "--port", str(port)]) == 2
    assert f"port {port} of 127.0.0.1 is in use" in capsys.readouterr().err


def test_every_fault_has_its_option() -> None:
    names = {param.name for param in serve.params if isinstance(param, click.Option)}
    assert {field.name for field in fields(Faults)} <= names
