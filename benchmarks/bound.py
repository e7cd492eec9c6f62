"""An estimate of the ceiling: pairs per second if there were nothing but matrix products.

    python benchmarks/bound.py --sizes S,M

prints one JSON line per size and precision with the best rate of matrix products that was seen on
that model's shapes, single and fused (`gflops`, `best_product`), and per shape the floating-point
operations of one pair (SFT: of one agent turn; forward and backward, every distinct token once,
logits at trained tokens only, or scores where they are read) and the pairs per second that follow.
It is an estimate: the rate is the best of a few runs of torch's own products, another library may
have a better one, and other work on the machine (`foreign_cores`) lowers it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace

from common import DEVICES, Foreign, native_bfloat16, provenance, require
from shapes import CHOSEN, CUSTOMER, GPU_SIZES, PLAYBOOK, REJECTED, SIZES, Size

REPEATS = 7
TOKENS, TRAINED = 2900, 2000  # of a conversation of 10 turns as one tree


def attention_products(tokens: float, before: float) -> float:
    """Sum over `tokens` tokens of how many they attend to, `before` of which precede them all."""
    return tokens * before + tokens * (tokens + 1) / 2


def flops(size: Size, tokens: float, attended: float, logits: float) -> float:
    """Operations of one forward and backward pass: 2 per weight and token, times 3."""
    keys = (size.key_heads or size.heads) / size.heads
    feeding = 2 if size.family == "gpt2" else 3
    layer = (2 + 2 * keys) * size.width**2 + feeding * size.width * size.intermediate
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


def scoring(size: Size, prompt: float, replies: list[float], pairs: int) -> float:
    """Operations per pair where one score is read at the end of each reply, and no logits.

    The last layer then needs keys and values of every token, and the rest at the replies' ends.
    """
    tokens, ends = prompt + sum(replies), len(replies)
    attended = attention_products(prompt, 0)
    attended += sum(attention_products(reply, prompt) for reply in replies)
    below = flops(replace(size, layers=size.layers - 1), tokens, attended, 0)
    all_of_it = flops(replace(size, layers=1), ends, prompt * ends + sum(replies), 0)
    keys = (size.key_heads or size.heads) / size.heads
    keys_and_values = 3 * 2 * (tokens - ends) * 2 * keys * size.width**2
    return (below + all_of_it + keys_and_values) / pairs


def per_pair(size: Size) -> dict[str, float]:
    """Operations per pair of every shape."""
    found = {f"conversation/{turns}": conversation(size, turns) for turns in (2, 5, 10, 20)}
    found["conversation/10/sft"] = sft_conversation(size, 10)
    found["long_prompt"] = sharing(size, 600, [110, 90], 1)
    found["short_prompt"] = sharing(size, 60, [250, 250], 1)
    found["k4"] = sharing(size, 120, [150] * 4, 6)
    found["k4_scores"] = scoring(size, 120, [150] * 4, 6)
    return found


def products(size: Size) -> Iterator[tuple[int, int, int]]:
    """Rows, inner and columns of the model's products, single and fused, and of a square one."""
    width, inner = size.width, size.intermediate
    forward = [(TOKENS, width, width), (TOKENS, width, inner), (TOKENS, inner, width)]
    forward.append((TRAINED, width, size.vocab))
    # Queries, keys and values in one product, and both halves of a gated feed-forward layer.
    forward += [(TOKENS, width, 3 * width), (TOKENS, width, 2 * inner)]
    for rows, across, columns in forward:
        yield rows, across, columns
        yield rows, columns, across  # the gradient of what went in
        yield across, rows, columns  # the gradient of the weight
    yield 2048, 2048, 2048


def best_gflops(size: Size, dtype_name: str, device: str = "cpu") -> tuple[float, str]:
    """The best rate over the model's products, and which product had it."""
    import torch

    dtype = getattr(torch, dtype_name)
    best = (0.0, "")
    for rows, inner, columns in products(size):
        a = torch.randn(rows, inner, dtype=dtype, device=device)
        b = torch.randn(inner, columns, dtype=dtype, device=device)
        for _ in range(REPEATS):
            _wait(device)
            begin = time.perf_counter()
            torch.mm(a, b)
            _wait(device)
            seconds = time.perf_counter() - begin
            rate = 2e-9 * rows * inner * columns / seconds
            best = max(best, (rate, f"{rows}x{inner}x{columns}"))
    return best


def _wait(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def main() -> None:
    """Print one line per size and precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--sizes", help="default: S,M, and on CUDA those of real scale")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: those native")
    parser.add_argument("--json", action="store_true", help="(always)")
    args = parser.parse_args()
    require(args.device)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    default = "S,M" if args.device == "cpu" else ",".join(GPU_SIZES)
    for name in (args.sizes or default).split(","):
        size = SIZES[name]
        native = ("float32", "bfloat16") if native_bfloat16(args.device) else ("float32",)
        for dtype in (args.dtype,) if args.dtype else native:
            foreign = Foreign()
            rate, product = best_gflops(size, dtype, args.device)
            work = per_pair(size)
            line = {
                "size": name,
                "dtype": dtype,
                "device": args.device,
                "threads": args.threads,
                "gflops": round(rate, 1),
                "best_product": product,
                "foreign_cores": round(foreign.cores(), 3),
                "gflop_per_pair": {k: round(v / 1e9, 3) for k, v in work.items()},
                "bound_pairs_per_s": {k: round(rate * 1e9 / v, 3) for k, v in work.items()},
            }
            print(json.dumps(line | provenance(args.device)), flush=True)


if __name__ == "__main__":
    main()
