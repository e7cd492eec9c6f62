"""Judging over HTTP: how near the endpoint's own limit, and beside AlpacaEval's annotator.

    python benchmarks/judge.py --requests 500 --latency-ms 300 --in-flight 64 --rounds 3 --json
    python benchmarks/judge.py --peer alpaca_eval --peer-python VENV/bin/python --json
    python benchmarks/judge.py --cached --json

A local server in its own process answers after a fixed latency. The bins judge compares replies
of the care world (prompts made, requests sent, answers read, verdicts told: all of it is timed).
`of_limit` is the rate over (in flight / latency). One question goes first, untimed, as it proves
key, model and address; `of_limit_whole` counts it, and the client's making. `at_most` is what of
the limit so few requests can reach: the last wave is not full. `--cached` makes 10,000 verdicts
once more from the cache of the first time: in this process, and as a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import Foreign, fail, provenance

from handrail.cli import seldom_collect
from handrail.judges import BinsJudge
from handrail.records import DIMENSIONS, Comparison, Turn, Verdict, read_jsonl, write_jsonl
from handrail.sampling.server import AnswerCache, Endpoint, EndpointSettings

HERE = Path(__file__).resolve().parent
SEED = 9_000_001
VERDICTS = 10_000


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--latency-ms", type=float, default=300.0)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cached", action="store_true", help="10,000 verdicts from the cache")
    parser.add_argument("--peer", choices=["alpaca_eval"], help="the same pairs by this, in turn")
    parser.add_argument("--peer-python", type=Path, help="the Python that has the peer")
    parser.add_argument("--json", action="store_true", help="(always)")
    parser.add_argument("--verdicts", type=int, default=VERDICTS, help="with --cached")
    parser.add_argument("--again", nargs=2, metavar=("TURNS", "CACHE"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print one JSON line."""
    given = parse()
    seldom_collect()  # as every command does
    if given.again:
        again(Path(given.again[0]), Path(given.again[1]), given.verdicts)
        return
    if given.peer and not given.peer_python:
        fail("--peer takes --peer-python, the Python of a virtual environment that has it.")
    with tempfile.TemporaryDirectory() as scratch:
        line = (
            cached(Path(scratch), given.verdicts) if given.cached else rates(given, Path(scratch))
        )
    print(json.dumps(line | {"threads": 1} | provenance()))


def rates(given: argparse.Namespace, scratch: Path) -> dict[str, object]:
    """The rate of judging, by rounds; the peer's beside it, in turn."""
    turns = some_turns(given.requests // 3 + 1)
    asked = comparisons(turns, given.requests + 1)
    sides = {"handrail": 0, **({"alpaca_eval": 5, "alpaca_eval_50": 50} if given.peer else {})}
    pairs = scratch / "pairs.json"
    pairs.write_text(json.dumps([as_pair(one) for one in asked]))
    limit = given.in_flight / (given.latency_ms / 1000)
    taken: dict[str, list[float]] = {name: [] for name in sides}
    whole: list[float] = []
    peer_version = ""
    foreign = Foreign()
    with server(given.latency_ms) as url:
        for number in range(given.rounds):
            for name in sorted(sides, reverse=number % 2 == 1):
                if name == "handrail":
                    begun = time.perf_counter()
                    taken[name].append(judge(asked, url, given.in_flight))
                    whole.append(time.perf_counter() - begun)
                else:
                    by = by_peer(given.peer_python, pairs, url, sides[name])
                    taken[name].append(by["seconds"])
                    peer_version = by["version"]
    rate = {name: given.requests / statistics.median(s) for name, s in taken.items()}
    shares = [given.requests / s / limit for s in taken["handrail"]]
    waves = math.ceil(given.requests / given.in_flight)
    line: dict[str, object] = {
        "benchmark": "judge",
        "requests": given.requests,
        "latency_ms": given.latency_ms,
        "in_flight": given.in_flight,
        "rounds": given.rounds,
        "limit_per_s": round(limit, 1),
        "per_s": {name: round(value, 1) for name, value in rate.items()},
        "of_limit": round(statistics.median(shares), 3),
        "of_limit_rounds": [round(share, 3) for share in shares],
        "of_limit_whole": round((given.requests + 1) / statistics.median(whole) / limit, 3),
        "at_most": round(given.requests / (waves * given.in_flight), 3),
        "foreign_cores": round(foreign.cores(), 2),
    }
    if given.peer:
        peers = [name for name in sides if name != "handrail"]
        line["peer"] = f"{given.peer} {peer_version}"
        line["times_peer"] = {n: round(rate["handrail"] / rate[n], 1) for n in peers}
        line["peer_rounds"] = {n: [round(given.requests / s, 1) for s in taken[n]] for n in peers}
    return line


def judge(asked: list[Comparison], url: str, in_flight: int) -> float:
    """Seconds for all comparisons but the first, by a new client."""
    settings = EndpointSettings(model="gpt-4", base_url=url, in_flight=in_flight)
    endpoint = Endpoint(settings)
    by = BinsJudge(endpoint)
    checked(by.compare_all(asked[:1]), 1)
    begun = time.perf_counter()
    verdicts = by.compare_all(asked[1:])
    seconds = time.perf_counter() - begun
    checked(verdicts, len(asked) - 1)
    if endpoint.spent.retries or endpoint.spent.repairs:
        fail(f"the server or the client faltered: {endpoint.spent}")
    endpoint.close()
    return seconds


def by_peer(python: Path, pairs: Path, url: str, workers: int) -> dict[str, Any]:
    """What AlpacaEval's annotator took with so many workers, for all pairs but the first."""
    environment = os.environ | {
        "OPENAI_API_BASE": url,
        "OPENAI_API_KEY": "none",
        "OPENAI_MAX_CONCURRENCY": str(workers),
        "HF_HUB_OFFLINE": "1",
    }
    # -P: a file beside the script must not stand in for a package of its name.
    command = [str(python), "-P", str(HERE / "judge_peer.py"), str(pairs)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        fail(f"the peer failed:\n{done.stderr[-3000:]}")
    line = json.loads(done.stdout.strip().splitlines()[-1])
    if line["judged"] != line["pairs"]:
        fail(f"the peer judged {line['judged']} of {line['pairs']} pairs")
    measured: dict[str, Any] = line
    return measured


def cached(scratch: Path, count: int) -> dict[str, object]:
    """So many verdicts, asked once, and then from the cache."""
    turns, file = scratch / "turns.jsonl", scratch / "answers.sqlite"
    write_jsonl(turns, some_turns(count // 3 + 1))
    asked = comparisons(read_jsonl(turns, Turn).records, count)
    foreign = Foreign()
    with server(0.0) as url:
        settings = EndpointSettings(model="gpt-4", base_url=url, in_flight=64)
        endpoint = Endpoint(settings, AnswerCache(file))
        begun = time.perf_counter()
        checked(BinsJudge(endpoint).compare_all(asked), count)
        first = time.perf_counter() - begun
        endpoint.close()
    command = [sys.executable, str(HERE / "judge.py"), "--again", str(turns), str(file)]
    command += ["--verdicts", str(count)]
    whole: list[float] = []
    inside: list[float] = []
    cpu: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        whole.append(time.perf_counter() - begun)
        if done.returncode:
            fail(f"the second run failed:\n{done.stderr[-3000:]}")
        line = json.loads(done.stdout)
        inside.append(line["seconds"])
        cpu.append(line["cpu_s"])
    return {
        "benchmark": "judge_cached",
        "verdicts": count,
        "rounds": len(whole),
        "first_s": round(first, 2),
        "again_s": round(statistics.median(inside), 2),
        "again_process_s": round(statistics.median(whole), 2),
        "again_process_cpu_s": round(statistics.median(cpu), 2),
        "again_process_s_rounds": [round(seconds, 2) for seconds in whole],
        "foreign_cores": round(foreign.cores(), 2),
    }


def again(turns: Path, file: Path, count: int) -> None:
    """The second run, in a process of its own: turns read, prompts made, answers found, told."""
    asked = comparisons(read_jsonl(turns, Turn).records, count)
    begun = time.perf_counter()
    settings = EndpointSettings(model="gpt-4", base_url="http://127.0.0.1:9/v1")  # nobody there
    endpoint = Endpoint(settings, AnswerCache(file))
    checked(BinsJudge(endpoint).compare_all(asked), count)
    if endpoint.spent.requests:
        fail(f"{endpoint.spent.requests} answers were not in the cache")
    print(json.dumps({"seconds": time.perf_counter() - begun, "cpu_s": time.process_time()}))


def checked(verdicts: list[object], count: int) -> None:
    """End with a message where a comparison has no verdict."""
    found = sum(isinstance(one, Verdict) for one in verdicts)
    if found != count:
        fail(f"{found} verdicts of {count}: {next(x for x in verdicts if type(x) is not Verdict)}")


def some_turns(count: int) -> list[Turn]:
    """At least so many turns of the care world, each with a chosen and a rejected reply."""
    from handrail import world

    turns = [turn for turn in world.training_turns(count // 3, SEED) if len(turn.replies) == 2]
    if len(turns) < count:
        fail(f"only {len(turns)} turns for {count}")
    return turns[:count]


def comparisons(turns: list[Turn], count: int) -> list[Comparison]:
    """So many comparisons of the turns' replies, on each dimension in turn."""
    made = [
        Comparison(turn, turn.replies[0].text, turn.replies[1].text, dimension)
        for turn in turns
        for dimension in DIMENSIONS
    ]
    return made[:count]


def as_pair(one: Comparison) -> dict[str, str]:
    """The same comparison as AlpacaEval takes it."""
    said = "\n".join(f"{m.role}: {m.content}" for m in one.turn.context)
    instruction = f"Continue this conversation as the agent ({one.dimension}):\n{said}"
    return {"instruction": instruction, "output_1": one.first, "output_2": one.second}


@contextmanager
def server(latency_ms: float) -> Iterator[str]:
    """The base URL of a server of this latency, in a process of its own."""
    command = [sys.executable, str(HERE / "judge_server.py"), str(latency_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
