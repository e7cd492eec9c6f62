"""`handrail synthesize`: training data made by a language model."""

from __future__ import annotations

from handrail.cli import synth_prompts, synth_stages
from handrail.cli.verb import Verbs

command = Verbs(
    "synthesize",
    help="Let a language model make training data: guardrails and replies that break them, "
    "paraphrases, prompts, preferences.",
)
for verb in (
    synth_stages.guardrails,
    synth_stages.replies,
    synth_stages.both,
    synth_prompts.paraphrase,
    synth_prompts.classify,
    synth_prompts.questions,
    synth_prompts.prompts,
    synth_prompts.preferences,
):
    command.add(verb)
