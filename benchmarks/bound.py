"""The bound: how many pairs per second the machine's matrix products alone would allow.

    python benchmarks/bound.py --threads 2

prints one JSON line per size and precision with the best rate of matrix products that the machine
reaches on that model's shapes (`gflops`), and per shape the floating-point operations of one pair
(SFT: of one agent turn; forward and backward, every distinct token once, logits at trained tokens
only) and the pairs per second that follow. No implementation of this model can be faster on this
machine without doing less arithmetic.
"""

from __future__ import annotations

import argparse
import json
import os
import time

from common import machine, native_bfloat16, versions
from shapes import CHOSEN, CUSTOMER, PLAYBOOK, REJECTED, SIZES, Size

REPEATS = 7


def attention_products(tokens: float, before: float) -> float:
    """Sum over `tokens` tokens of how many they attend to, `before` of which precede them all."""
    return tokens * before + tokens * (tokens + 1) / 2


def flops(size: Size, tokens: float, attended: float, logits: float) -> float:
    """Operations of one forward and backward pass: 2 per weight and token, times 3."""
    layer = 4 * size.width**2 + 3 * size.width * size.intermediate
    forward = 2 * tokens * size.layers * layer
    forward += 4 * attended * size.width * size.layers
    forward += 2 * logits * size.width * size.vocab
    return 3 * forward


def conversation(size: Size, turns: int) -> float:
    """Operations per pair of a whole conversation as one tree."""
    trunk = PLAYBOOK + turns * (CUSTOMER + CHOSEN)
    attended = attention_products(trunk, 0)
    for turn in range(turns):
        before = PLAYBOOK + turn * (CUSTOMER + CHOSEN) + CUSTOMER
        attended += attention_products(REJECTED, before)
    tokens = trunk + turns * REJECTED
    return flops(size, tokens, attended, turns * (CHOSEN + REJECTED)) / turns


def sft_conversation(size: Size, turns: int) -> float:
    """Operations per agent turn of a whole conversation, trained on its chosen replies alone."""
    tokens = PLAYBOOK + turns * (CUSTOMER + CHOSEN)
    return flops(size, tokens, attention_products(tokens, 0), turns * CHOSEN) / turns


def sharing(size: Size, prompt: float, replies: list[float], pairs: int) -> float:
    """Operations per pair of one prompt with its replies."""
    attended = attention_products(prompt, 0)
    attended += sum(attention_products(reply, prompt) for reply in replies)
    return flops(size, prompt + sum(replies), attended, sum(replies)) / pairs


def per_pair(size: Size) -> dict[str, float]:
    """Operations per pair of every shape."""
    found = {f"conversation/{turns}": conversation(size, turns) for turns in (2, 5, 10, 20)}
    found["conversation/10/sft"] = sft_conversation(size, 10)
    found["long_prompt"] = sharing(size, 600, [110, 90], 1)
    found["short_prompt"] = sharing(size, 60, [250, 250], 1)
    found["k4"] = sharing(size, 120, [150] * 4, 6)
    return found


def best_gflops(size: Size, dtype_name: str, threads: int) -> float:
    """The best rate over the model's own products, at 2,900 tokens."""
    import torch

    torch.set_num_threads(threads)
    dtype = getattr(torch, dtype_name)
    best = 0.0
    for rows, inner, columns in (
        (2900, size.width, size.intermediate),
        (2900, size.intermediate, size.width),
        (2000, size.width, size.vocab),
    ):
        a, b = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, columns, dtype=dtype)
        for _ in range(REPEATS):
            begin = time.perf_counter()
            torch.mm(a, b)
            seconds = time.perf_counter() - begin
            best = max(best, 2e-9 * rows * inner * columns / seconds)
    return best


def main() -> None:
    """Print one line per size and precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", default="S,M")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    for name in args.sizes.split(","):
        size = SIZES[name]
        for dtype in ("float32", "bfloat16") if native_bfloat16() else ("float32",):
            rate = best_gflops(size, dtype, args.threads)
            work = per_pair(size)
            line = {
                "size": name,
                "dtype": dtype,
                "threads": args.threads,
                "gflops": round(rate, 1),
                "gflop_per_pair": {k: round(v / 1e9, 3) for k, v in work.items()},
                "bound_pairs_per_s": {k: round(rate * 1e9 / v, 3) for k, v in work.items()},
                "versions": versions(),
                "machine": machine(),
                "when": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
