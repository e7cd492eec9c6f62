"""Two processes give the losses and weights of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rewardtoys import reward, run
from safetensors.torch import load_file
from trainertoys import RUN, forest, policy

from handrail.objectives import OBJECTIVES
from handrail.training import read_metrics, train

CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from rewardtoys import run
from trainertoys import RUN, forest, policy
from handrail.objectives import OBJECTIVES
from handrail.training import train
out = Path(sys.argv[2])
for name in sys.argv[3].split(","):
    settings = RUN.model_copy(update={"token_budget": 520})
    train(policy(), forest(7), OBJECTIVES[name](), settings, out / name,
          eval_forest=forest(3, seed=1))
for name in sys.argv[4].split(","):
    run(name, out, out / name)
"""
POLICIES = ["sft", "dpo", "kto", "kto_pair"]
REWARDS = ["bradley_terry", "rating/logistic"]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of all these in two processes that know of each other, which start once."""
    out = tmp_path_factory.mktemp("together")
    reward(out)  # writes the base model
    port = str(free_port())
    children = []
    for rank in range(2):
        environment = os.environ | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "ACCELERATE_USE_CPU": "true",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        here = str(Path(__file__).parent)
        command = [sys.executable, "-c", CHILD, here, str(out), ",".join(POLICIES)]
        command.append(",".join(REWARDS))
        children.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        )
    for process in children:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return out


def assert_same(alone: Path, together: Path) -> None:
    """The same metrics, step by step, and the same weights."""
    ours, theirs = (read_metrics(p / "metrics.jsonl") for p in (alone, together))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        for key in a.keys() - {"seconds"}:
            assert a[key] == pytest.approx(b[key], rel=2e-3, abs=2e-4), (together.name, key)
    mine, other = (load_file(p / "final/model.safetensors") for p in (alone, together))
    for key in mine:
        torch.testing.assert_close(mine[key], other[key], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", POLICIES)
def test_two_processes_equal_one(name: str, together: Path, tmp_path: Path) -> None:
    objective = OBJECTIVES[name]()
    train(policy(), forest(7), objective, RUN, tmp_path, eval_forest=forest(3, seed=1))
    assert_same(tmp_path, together / name)


@pytest.mark.parametrize("name", REWARDS)
def test_two_processes_equal_one_for_reward_models(
    name: str, together: Path, tmp_path: Path
) -> None:
    run(name, together, tmp_path)
    assert_same(tmp_path, together / name)
