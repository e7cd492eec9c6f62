"""`handrail reward`: reward models, from their data to the choice among them."""

from __future__ import annotations

from handrail.cli.rewarding.prepare import prepare
from handrail.cli.verb import Verbs

command = Verbs(
    "reward",
    help="Reward models: prepare their data, train, score replies, judge them, choose one.",
)
command.add(prepare)
