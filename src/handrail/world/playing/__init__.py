"""The care world in the part of a language model: each task played from what the oracle knows."""
