"""Public data sets of replies with feedback: ranks, ratings, labels, votes; as turns."""
