"""One reward of models, rules and penalties, from a YAML file too; imports `records` alone."""
