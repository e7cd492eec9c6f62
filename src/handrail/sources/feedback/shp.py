"""Stanford Human Preferences: comments on Reddit posts, compared by their votes.

Ethayarajh, Choi and Swayamdipta, "Understanding Dataset Difficulty with V-Usable Information"
(2022). A row compares two comments of a post: `history` is the post, `human_ref_A` and
`human_ref_B` the comments, `labels` 1 where A is preferred. A preferred comment was not written
earlier than the other, so that its votes are not those of a longer time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from pydantic import Field

from handrail.records import RecordError
from handrail.sources.feedback.cells import LEAVE, Cells
from handrail.sources.feedback.maker import SPLITS, Maker, Table, ranked, user
from handrail.sources.feedback.options import Options
from handrail.sources.feedback.votes import ranks_apart, spread


class ShpOptions(Options):
    """Options of `shp`.

    Attributes:
        min_score_ratio: how many times the votes of the other comment the preferred one must have
            (the data's authors advise 2 or more for training).
        join: one turn per post with all its comments, ranked by their votes; else one per row.
            The ranking also orders pairs that no row holds, as a rule because of their times.
        max_replies: of more comments so many are kept, evenly over the ranking.
    """

    min_score_ratio: float = Field(default=1.0, ge=1.0)
    join: bool = True
    max_replies: int | None = Field(default=None, ge=2)


@dataclass
class _Post:
    """A post with its comments: texts and votes by their names."""

    text: str
    domain: str
    split: str
    where: str
    comments: dict[str, tuple[str, float]] = field(default_factory=dict)

    def note(self, name: str, text: str, votes: float) -> None:
        """Add a comment that a row holds.

        Raises:
            RecordError: an earlier row has other words or votes for it.
        """
        if self.comments.setdefault(name, (text, votes)) != (text, votes):
            raise RecordError(
                f"comment '{name}' had other words or votes in an earlier row", "Keep one of them"
            )


def fill(made: Maker, table: Table, options: ShpOptions) -> None:
    """One turn per post, or per comparison."""
    posts: dict[str, _Post] = {}

    def comparison(row: Cells) -> None:
        domain, split = _parts(row.text("domain"))
        key = row.key("post_id")
        post = _Post(row.words("history"), domain, split or table.split, row.row.where)
        for name, text, votes in _sides(row):
            post.note(name, text, votes)
        if not options.join:
            _add(made, key, post, options)
            return
        known = posts.setdefault(f"{domain}/{key}", post)
        if known.text != post.text:
            raise RecordError(f"post '{key}' had another text in an earlier row", "Keep one")
        for name, (text, votes) in post.comments.items():
            known.note(name, text, votes)

    made.each(table, comparison)
    for key, post in posts.items():
        name = key.rpartition("/")[2]
        made.attempt(post.where, partial(_add, made, name, post, options))


def _parts(domain: str) -> tuple[str, str]:
    """The subreddit and the split of `askbaking_train`; no split where the end is none."""
    name, _, end = domain.rpartition("_")
    return (name, SPLITS[end]) if name and end in SPLITS else (domain, "")


def _sides(row: Cells) -> list[tuple[str, str, float]]:
    """The two comments: name, text and votes.

    Raises:
        RecordError: the label does not say what the votes say.
    """
    sides = []
    for side in "AB":
        text, named = row.words(f"human_ref_{side}"), f"c_root_id_{side}"
        name = row.key(named) if row.given(named) else text
        sides.append((name, text, row.figure(f"score_{side}")))
    first_better = row.flag("labels")
    if sides[0][0] == sides[1][0]:
        raise RecordError("a comment is compared with itself", LEAVE)
    better, worse = sides if first_better else reversed(sides)
    if better[2] < worse[2]:
        raise RecordError(
            f"field 'labels' prefers the comment with fewer votes ({better[2]:g} and {worse[2]:g})",
            LEAVE,
        )
    return sides


def _add(made: Maker, key: str, post: _Post, options: ShpOptions) -> None:
    texts, votes = zip(*post.comments.values(), strict=True)
    ranks = ranks_apart(votes, options.min_score_ratio)
    if max(ranks) == 1:
        far = f"{options.min_score_ratio:g} times" if options.min_score_ratio > 1 else "at all"
        made.skip("turn", f"no two comments are apart in votes by {far}", post.where)
        return
    kept = spread(ranks, options.max_replies)
    if len(kept) < len(ranks):
        made.skip("reply", "beyond max_replies", post.where, len(ranks) - len(kept))
    made.add(
        user(post.text),
        ranked([texts[i] for i in kept], [ranks[i] for i in kept]),
        post.where,
        key=f"{post.domain}/{key}" if options.join else "",
        conversation=f"{made.name}/{post.domain}/{key}",
        set=made.name,
        category=post.domain,
        split=post.split,
    )
