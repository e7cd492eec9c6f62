"""The care world: conversations with playbooks, replies that keep or break rules, an oracle."""

from handrail.world.base import world_model_path
from handrail.world.families import families, guardrail
from handrail.world.faults import Faults
from handrail.world.generator import generate, is_ours, turns
from handrail.world.oracle import Oracle
from handrail.world.player import Player
from handrail.world.scene import topics
from handrail.world.serve import serving
from handrail.world.settings import WorldSettings
from handrail.world.training import training_turns

__all__ = [
    "Faults",
    "Oracle",
    "Player",
    "WorldSettings",
    "families",
    "generate",
    "guardrail",
    "is_ours",
    "serving",
    "topics",
    "training_turns",
    "turns",
    "world_model_path",
]
