"""`handrail reward`: reward models, from their data to the choice among them."""

from __future__ import annotations

from handrail.cli.rewarding.evaluate import command as evaluate
from handrail.cli.rewarding.prepare import prepare
from handrail.cli.rewarding.score import command as score
from handrail.cli.rewarding.select import command as select
from handrail.cli.rewarding.train import command as train
from handrail.cli.verb import Verbs

command = Verbs(
    "reward",
    help="Reward models: prepare their data, train, score replies, judge them, choose one.",
)
command.add(prepare)
command.add(train)
command.add(score)
command.add(evaluate)
command.add(select)
