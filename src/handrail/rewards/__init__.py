"""Rewards without the models behind them: data for them, their combination, how good they are."""
