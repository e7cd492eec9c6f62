"""Reports: one self-contained page per run, a summary for programs, tables for the console."""

from handrail.reports.bands import BandCurves, BandLine, BandPanel
from handrail.reports.bars import OutcomeBars
from handrail.reports.boxes import Box, BoxPanel, BoxPlots, Histograms
from handrail.reports.breaches import BreachHeatMap
from handrail.reports.curves import Curves, TrainingRun
from handrail.reports.dots import Gains, RateDots
from handrail.reports.examples import Example, ExampleReply, Examples
from handrail.reports.headline import Finding, Headline, gain_finding
from handrail.reports.lengths import Lengths
from handrail.reports.page import Report, Section, render, write_report
from handrail.reports.plain import DataTable, JudgeQuality, LeftOut, Prose
from handrail.reports.rankings import ShareDots, StrengthDots, WinHeatMap
from handrail.reports.replies import ReplyScores, ScoredReplies
from handrail.reports.scatter import Scatter, ScatterPanel
from handrail.reports.summary import summary, write_summary
from handrail.reports.tables import (
    breach_rows,
    console_table,
    markdown_table,
    rate_rows,
    win_rate_rows,
)
from handrail.reports.winrates import WinRateTable

__all__ = [
    "BandCurves",
    "BandLine",
    "BandPanel",
    "Box",
    "BoxPanel",
    "BoxPlots",
    "BreachHeatMap",
    "Curves",
    "DataTable",
    "Example",
    "ExampleReply",
    "Examples",
    "Finding",
    "Gains",
    "Headline",
    "Histograms",
    "JudgeQuality",
    "LeftOut",
    "Lengths",
    "OutcomeBars",
    "Prose",
    "RateDots",
    "ReplyScores",
    "Report",
    "Scatter",
    "ScatterPanel",
    "ScoredReplies",
    "Section",
    "ShareDots",
    "StrengthDots",
    "TrainingRun",
    "WinHeatMap",
    "WinRateTable",
    "breach_rows",
    "console_table",
    "gain_finding",
    "markdown_table",
    "rate_rows",
    "render",
    "summary",
    "win_rate_rows",
    "write_report",
    "write_summary",
]
