"""Rewards without the models behind them: `data`, `combining`, `measures` of them, `evaluating`."""
