"""AlpacaEval's annotator on the pairs of a file, run by its own Python: prints the seconds.

    judge_peer.py PAIRS.json

One pair comes first, untimed, as for the other side. OPENAI_API_BASE, OPENAI_API_KEY and
OPENAI_MAX_CONCURRENCY of the environment are AlpacaEval's own.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from alpaca_eval.annotators import PairwiseAnnotator


def main() -> None:
    """Print one JSON line."""
    pairs = json.loads(Path(sys.argv[1]).read_text())
    annotator = PairwiseAnnotator(annotators_config="alpaca_eval_gpt4", caching_path=None)
    annotator.annotate_pairs(pairs[:1])
    start = time.perf_counter()
    judged = annotator.annotate_pairs(pairs[1:])
    seconds = time.perf_counter() - start
    done = sum(one["preference"] in (1, 2, 1.0, 2.0) for one in judged)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "pairs": len(pairs) - 1,
                "judged": done,
                "version": version("alpaca_eval"),
            }
        )
    )


if __name__ == "__main__":
    main()
