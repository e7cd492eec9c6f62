"""Models scored, judged and chosen, and what that cost; imports `data`, `measures`, `ranking`."""
