"""How numbers are written, and where axes put their ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from handrail.ranking import Estimate

MINUS, DASH, NBSP = "\u2212", "\u2013", "\u00a0"
Scale = Callable[[float], float]


def percent(share: float, digits: int = 1) -> str:
    """A share as percent; an en dash where it is unknown."""
    return DASH if math.isnan(share) else f"{100 * share:.{digits}f}%"


def points(difference: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign."""
    if math.isnan(difference):
        return DASH
    value = round(100 * difference, digits) or 0.0
    return f"{'+' if value > 0 else MINUS if value < 0 else ''}{abs(value):.{digits}f}"


def span(estimate: Estimate, signed: bool = False) -> str:
    """The interval of a share ("74.1 to 79.5") or a difference ("−0.4 to +3.1"), in percent."""
    if estimate.n == 0 or math.isnan(estimate.low):
        return "no interval"
    if signed:
        return f"{points(estimate.low)} to {points(estimate.high)}"
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def share_text(estimate: Estimate) -> str:
    """A share with interval and n, for captions and hints."""
    if estimate.n == 0:
        return "not judged"
    return f"{percent(estimate.value)} ({span(estimate)}; {n_text(estimate.n)})"


def not_resampled(estimates: Iterable[Estimate]) -> str:
    """How intervals were made that no bootstrap gave, in brackets; nothing where it gave all."""
    methods = [estimate.method for estimate in estimates]
    told = []
    if any(method.startswith("Wilson over") for method in methods):
        told.append("where all conversations score the same, Wilson's over conversations")
    if any("Student's t" in method for method in methods):
        told.append("from two to four conversations, Student's")
    if any(method.startswith("none (one") for method in methods):
        told.append("from one conversation, everything possible")
    return f" ({'; '.join(told)})" if told else ""


def n_text(n: int | str) -> str:
    """How many, on one line."""
    return f"n{NBSP}={NBSP}{n:,}" if isinstance(n, int) else f"n{NBSP}={NBSP}{n}"


def p_text(p: float) -> str:
    """A p-value as statisticians write it, on one line."""
    shown = "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
    return f"p {shown}".replace(" ", NBSP)


def compact(value: float) -> str:
    """A number in few characters, for axis labels and metrics."""
    if math.isnan(value):
        return DASH
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 10_000:
        return f"{value / 1000:.0f}k".replace("-", MINUS)
    if size >= 1000 and value == int(value):
        return f"{value:,.0f}".replace("-", MINUS)
    shown = f"{value:.3g}" if size >= 1e-3 else f"{value:.1e}"
    return shown.replace("-", MINUS)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from `low` to `high`, both within the range."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """The map of [low, high] to [start, end]; a range of no width maps to the middle."""
    if high <= low:
        return lambda _value: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)
