"""The tables of reward_models.py's lines, as docs/results.md has them.

    python benchmarks/reward_tables.py [results.jsonl]

Figures are means over the seeds with Student's interval over them (95 %), that is over the luck of
training, data and test. With two seeds or fewer there is no interval worth the name, and none is
printed.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lines import table
from reward_real import TABLE_6, TABLE_7

from handrail.ranking.seeds import t_interval

Line = dict[str, Any]
HERE = Path(__file__).resolve().parent
LOSSES = {
    "bradley_terry": "preference",
    "logistic": "logistic",
    "sigmoid_mse": "sig + mse",
    "mse": "mse",
    "combined": "combined",
    "none": "",
}
COLUMNS = ("mse_low", "mae_low", "mse_high", "mae_high", "mse_middle", "mae_middle")
RANGES = ("≤ 0.4: MSE", "≤ 0.4: MAE", "≥ 0.9: MSE", "≥ 0.9: MAE", "between: MSE", "between: MAE")
NEVER_BELOW_0 = ("mse", "mae", "accuracy")
# The thesis's own tables 6 and 7, in the order of TABLE_6 and TABLE_7.
PRINTED_6 = (
    (0.0771, 0.2348, 0.0862, 0.2765, 0.0293, 0.1392),
    (0.3159, 0.5161, 0.0642, 0.1971, 0.1209, 0.2801),
    (0.0618, 0.1981, 0.0964, 0.2800, 0.0423, 0.1652),
    (0.0611, 0.1999, 0.1027, 0.2923, 0.0415, 0.1662),
    (0.0853, 0.2446, 0.0786, 0.2493, 0.0326, 0.1455),
    (0.1056, 0.2827, 0.0593, 0.2132, 0.0299, 0.1360),
    (0.1223, 0.3030, 0.0441, 0.1796, 0.0255, 0.1262),
    (0.0889, 0.2555, 0.0645, 0.2320, 0.0263, 0.1301),
)
PRINTED_7 = (
    (0.1052, 0.2799, 0.0568, 0.2080, 0.0275, 0.1322),
    (0.0721, 0.2267, 0.0852, 0.2640, 0.0335, 0.1471),
    (0.0519, 0.1801, 0.1195, 0.3174, 0.0465, 0.1754),
    (0.0611, 0.1999, 0.1027, 0.2923, 0.0415, 0.1662),
    (0.1051, 0.2752, 0.0534, 0.2009, 0.0290, 0.1351),
    (0.0771, 0.2348, 0.0862, 0.2765, 0.0293, 0.1392),
    (0.0591, 0.2040, 0.1159, 0.3205, 0.0369, 0.1573),
    (0.1227, 0.3099, 0.0518, 0.2091, 0.0222, 0.1192),
)
# Of 003's table 2: Anthropic Helpful and WebGPT, in per cent.
PUBLISHED = {
    "hh_helpful": "UltraRM (13B) 71.0, DeBERTa-v3-large 67.6, Moss (7B) 61.3, SteamSHP (3B) 55.4",
    "webgpt": "UltraRM (13B) 65.2, Ziya (7B) 57.0, Moss (7B) 54.6, SteamSHP (3B) 51.6",
}


def grouped(lines: Iterable[Line], *names: str) -> dict[tuple[Any, ...], list[Line]]:
    """Lines by these of their fields, in the order of first sight."""
    found: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        found[tuple(line.get(name) for name in names)].append(line)
    return found


def over_seeds(lines: Sequence[Line], name: str, form: Callable[[float], str]) -> str:
    """Mean and interval of a field over the seeds' lines."""
    values = [line[name] for line in lines if line.get(name) == line.get(name, 0.0)]
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    found = t_interval(values)
    low = max(found.low, 0.0) if name.startswith(NEVER_BELOW_0) else found.low
    if len(values) < 3:
        return f"{form(found.value)} ({len(values)} of 3 seeds)"
    return f"{form(found.value)} ({form(low)} to {form(found.high)})"


def percent(value: float) -> str:
    """A share as per cent."""
    return f"{100 * value:.1f}"


def decimals(value: float) -> str:
    """Three decimals."""
    return f"{value:.3f}"


def world(lines: Sequence[Line]) -> str:
    """Preference, absolute and combined; noise; overoptimisation."""
    head = (
        "model",
        "against uneven ratings",
        "pairs right, %",
        "less preference",
        "tau-b",
        "gain of best of 4, %",
    )
    first = {
        line["seed"]: line["accuracy"]
        for line in lines
        if (line["loss"], line["means"], line["noise"]) == ("bradley_terry", "none", 0.15)
    }
    rows, noisy = [], []
    for (loss, means, noise), group in grouped(lines, "loss", "means", "noise").items():
        figures = [
            over_seeds(group, "accuracy", percent),
            over_seeds(paired(group, first), "less", points),
            over_seeds(group, "kendall", decimals),
            over_seeds(group, "gain", percent),
        ]
        if noise == 0.15:
            rows.append((LOSSES[loss], means, *figures))
        if loss in ("bradley_terry", "logistic") and means == "none":
            noisy.append((f"{noise:g}", LOSSES[loss], *figures))
    ranges = [
        (LOSSES[loss], means, *(over_seeds(group, name, decimals) for name in COLUMNS))
        for (loss, means, noise), group in grouped(lines, "loss", "means", "noise").items()
        if noise == 0.15 and "mse_low" in group[0]
    ]
    parts = [
        table(head, rows),
        table(("model", "against uneven ratings", *RANGES), ranges),
        table(
            ("noise", "model", *head[2:]), sorted(noisy, key=lambda row: (row[1], float(row[0])))
        ),
        best_of(lines),
    ]
    return "\n\n".join(parts)


def paired(lines: Sequence[Line], first: dict[int, float]) -> list[Line]:
    """Each seed's accuracy less that of the preference model of the same seed and test."""
    return [{"less": line["accuracy"] - first[line["seed"]]} for line in lines]


def points(value: float) -> str:
    """A difference of shares in points."""
    return f"{100 * value:+.1f}"


def by_model(row: Sequence[str]) -> tuple[str, float]:
    """Rows of one model together, the least noise first."""
    return row[1], float(row[0])


def best_of(lines: Sequence[Line]) -> str:
    """The true quality of the best of n by the reward, and whether it falls again."""
    sizes = [step["n"] for line in lines if "best_of" in line for step in line["best_of"]]
    sizes = sorted(set(sizes))
    rows = []
    for (loss, noise), group in grouped(lines, "loss", "noise").items():
        several = [{s["n"]: s for s in line["best_of"]} for line in group if "best_of" in line]
        if not several:
            continue
        falls = [{"fall": of[32]["truth"] - of[4]["truth"]} for of in several]
        means = [sum(of[n]["truth"] for of in several) / len(several) for n in sizes]
        reward = [of[32] for of in several]
        rows.append(
            (
                f"{noise:g}",
                LOSSES[loss],
                *(decimals(mean) for mean in means),
                over_seeds(falls, "fall", lambda v: f"{v:+.3f}"),
                over_seeds(reward, "proxy", lambda v: f"{v:+.2f}"),
            )
        )
    head = ("noise", "model", *(f"n = {n}" for n in sizes), "n = 32 less n = 4", "reward, sd")
    return table(head, sorted(rows, key=by_model))


def thesis(lines: Sequence[Line]) -> str:
    """Tables 6 and 7 with our figures, and the thesis's below each."""
    found = grouped(lines, "loss", "means")
    parts = []
    for rows_of, printed, name in (
        (TABLE_6, PRINTED_6, "Table 6"),
        (TABLE_7, PRINTED_7, "Table 7 (logistic)"),
    ):
        rows: list[tuple[str, ...]] = []
        for (loss, means), figures in zip(rows_of, printed, strict=True):
            group = found.get((loss, means), [])
            rows.append(
                (
                    f"{LOSSES[loss]} + {means}",
                    *(over_seeds(group, column, decimals) if group else "-" for column in COLUMNS),
                )
            )
            rows.append(("the thesis's", *(f"{v:.3f}" for v in figures)))
        group = found.get(("none", "mean of the ratings"), [])
        rows.append(("the mean of the ratings", *(over_seeds(group, c, decimals) for c in COLUMNS)))
        parts.append(f"{name}\n\n{table(('method', *RANGES), rows)}")
    return "\n\n".join(parts)


def real(lines: Sequence[Line]) -> str:
    """Accuracy on each set beside the longer reply, and published figures of small models."""
    rows = []
    for (name,), group in grouped(lines, "set").items():
        trained = [line for line in group if line["loss"] == "bradley_terry"]
        longer = [line for line in group if line["loss"] == "none"]
        pairs = sum(line["pairs"] for line in trained)
        rows.append(
            (
                name,
                over_seeds(trained, "accuracy", percent),
                f"{pairs:,} in {len(trained)} seeds",
                over_seeds(longer, "accuracy", percent),
                PUBLISHED.get(name, "-"),
            )
        )
    head = ("set", "pairs right, %", "pairs", "the longer reply, %", "published, other test cuts")
    return table(head, rows)


def main(argv: Sequence[str]) -> None:
    """Print the tables of what is there."""
    path = Path(argv[0]) if argv else HERE / "reward_models.jsonl"
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    kinds = grouped(lines, "experiment")
    for name, make in (("world", world), ("thesis", thesis), ("real", real)):
        if (name,) in kinds:
            print(f"## {name}\n\n{make(kinds[name,])}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
