"""Prompts written and sorted by rule: paraphrases, classes, questions, prompts from scores.

None of this is a language model's writing: the sentences are the world's other wordings, or a few
patterns with keywords put in. It lets the loops around a language model be run and tested.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from random import Random
from statistics import fmean
from typing import Any

from handrail.world.lexicon import either
from handrail.world.phrases import fill, table
from handrail.world.playing.asked import Asked, CannotPlay
from handrail.world.playing.oracle import KeptOracle
from handrail.world.playing.played import Played
from handrail.world.playing.rules import known
from handrail.world.playing.templates import filled, pattern_of
from handrail.world.scene import topics
from handrail.world.source import sentences, straight

_CONTRACTED = (
    *((f"{who} am", f"{who}'m") for who in ("I",)),
    *((f"{who} are", f"{who}'re") for who in ("you", "we", "they", "You", "We", "They")),
    *((f"{who} is", f"{who}'s") for who in ("it", "that", "It", "That", "what", "What")),
    *((f"{who} will", f"{who}'ll") for who in ("I", "you", "we", "You", "We")),
    *((f"{verb} not", f"{verb}n't") for verb in ("do", "does", "did", "is", "are", "was", "would")),
    ("cannot", "can't"),
)


def paraphrase(asked: Asked, oracle: KeptOracle) -> Played:
    """Other wordings of a text of the world's, as many as it has, and short forms written out.

    The wordings keep what a sentence is for, and the slots it fills.
    """
    text, count = straight(asked.text("text")), asked.number("count")
    found = [other for other in _wordings(text) if other != text]
    found = list(dict.fromkeys(found))
    Random(asked.draw).shuffle(found)
    found += [other for other in _respelled(text) if other not in found]
    if not found:
        raise CannotPlay("the world has no other words for this text")
    return Played({"paraphrases": found[:count]})


def _wordings(text: str) -> list[str]:
    rule = known(text)
    if rule is not None:
        return [fill(other, rule.slots, Random(0)) for other in rule.family.texts]
    spoken = sentences(text)
    ways = [list(dict.fromkeys([sentence, *_others(sentence)]))[:4] for sentence in spoken[:5]]
    rest = spoken[5:]
    return [" ".join([*chosen, *rest]) for chosen in product(*ways)]


def _others(sentence: str) -> Iterator[str]:
    """The other templates of the list that a sentence comes from, filled as it is."""
    rng = Random(sentence)
    for templates in _lists():
        for template in templates:
            match = pattern_of(template).fullmatch(sentence)
            if match is not None:
                slots = {name: value for name, value in match.groupdict().items() if value}
                others = (filled(other, slots, rng) for other in templates if other != template)
                yield from (other for other in others if other)
                return


@lru_cache(maxsize=1)
def _lists() -> tuple[tuple[str, ...], ...]:
    """Lists of sentences of the world's that say the same."""
    common = table("common")
    lists = [common[name] for name in ("give_id", "agree", "okay", "thanks", "bye", "bye_answer")]
    lists += [ask["q"] for ask in common["general"].values()]
    for topic in topics().values():
        action = topic.data["action"]
        lists += [topic.data["open"], topic.data["ack"], *action.values()]
        lists += [ask["q"] for ask in topic.data["asks"]]
    return tuple(tuple(one) for one in lists)


def _respelled(text: str) -> Iterator[str]:
    for long, short in _CONTRACTED:
        for one, other in ((long, short), (short, long)):
            if re.search(rf"\b{re.escape(one)}\b", text):
                yield re.sub(rf"\b{re.escape(one)}\b", other, text)


# The first class whose words a prompt holds is its own.
_CLASSES = {
    "creative": r"\b(?:story|stories|poem|song|lyrics|haiku|limerick|fiction|imagine|invent|slogan"
    r"|screenplay|joke|role-?play|make up|come up with|(?:name|title)s? for)\b"
    r"|\bwrite (?:a|an|me) (?!function|program|script|query|code|regex)",
    "problem-solving": r"\b(?:fix|solve|debug|implement|code|function|program|script|algorithm|sql"
    r"|python|javascript|calculate|compute|install|configure|repair|error|bug|plan (?:a|my|the)"
    r"|how (?:can|do|could|should) (?:i|we|you)|steps to)\b",
    "reasoning": r"\b(?:why|explain|compare|difference between|prove|derive|analy[sz]e|reason"
    r"|conclude|infer|imply|implies|therefore|what if|how come|cause[sd]?|pros and cons|better"
    r"|if .* then)\b",
    "open-ended": r"\b(?:should|opinion|think|advice|recommend|suggest|feel|favou?rite|best|ideas"
    r"|tips|experience|discuss|would you|do you)\b",
    "fact-based": r"\b(?:who|when|where|which|what|how (?:many|much|long|old|far|big|tall)|is|are"
    r"|was|were|does|did|define|list|name)\b",
}


def classify(asked: Asked, oracle: KeptOracle) -> Played:
    """The class of a prompt by its words; open-ended where none is found."""
    prompt = asked.text("prompt")
    found = next(
        (name for name, words in _CLASSES.items() if either([words]).search(prompt)), "open-ended"
    )

    def said(name: str) -> dict[str, Any]:
        return {"reason": "by the words that it uses", "category": name}

    return Played(said(found), others=[said(name) for name in _CLASSES if name != found])


_QUESTIONS = (
    "What is a good way to get started with {}?",
    "Has anyone here had trouble with {}? I would like to hear how you dealt with it.",
    "I am new to {} and a bit lost. Where should I begin?",
    "Is {} worth the money these days?",
    "My neighbour keeps talking about {}. What is all the fuss about?",
    "How much time do you spend on {} in a normal week?",
    "Why do people disagree so much about {}?",
    "Can someone explain {} to me in simple words? I tried to read up on it and gave up.",
    "What was the biggest mistake that you made with {}?",
    "I have one free weekend. What could I do about {} in that time?",
    "What should I ask before I pay somebody for {}?",
    "Do you think that {} will still matter in ten years?",
)
_LEADS = ("", "Quick question: ", "Hi all. ", "Sorry if this was asked before. ")


def questions(asked: Asked, oracle: KeptOracle) -> Played:
    """Questions about keywords from a dozen patterns; the domain's rules are not read."""
    keywords, count = asked.texts("keywords"), _count(asked)
    rng = Random(asked.draw)
    made = [
        {"keyword": keyword, "question": question}
        for keyword in keywords
        for question in _about(keyword, count, rng)
    ]
    if not made:
        raise CannotPlay("there is no keyword to ask about")
    return Played({"questions": made})


def _count(asked: Asked) -> int:
    count, most = asked.number("count"), len(_QUESTIONS) * len(_LEADS)
    if count > most:
        raise CannotPlay(f"the world knows at most {most} kinds of questions, not {count}")
    return count


def _about(keyword: str, count: int, rng: Random) -> list[str]:
    patterns = rng.sample(_QUESTIONS, len(_QUESTIONS))
    leads = rng.sample(_LEADS, len(_LEADS))
    ways = [lead + pattern.format(keyword) for lead in leads for pattern in patterns]
    return ways[:count]


_WORD = re.compile(r"[A-Za-z][A-Za-z'-]{3,}")


def score_prompts(asked: Asked, oracle: KeptOracle) -> Played:
    """New questions for the domains whose mean score is below that of all examples.

    Keywords come from the questions there that score best; lengths are compared for the patterns.
    """
    count, examples = _count(asked), _examples(asked)
    mean = fmean(one["score"] for one in examples)
    scores: dict[str, list[float]] = defaultdict(list)
    for one in examples:
        scores[one["domain"]].append(one["score"])
    weak = sorted((d for d in scores if fmean(scores[d]) < mean), key=lambda d: fmean(scores[d]))
    rng = Random(asked.draw)
    made: list[dict[str, str]] = []
    for at in range(count):
        domain = (weak or sorted(scores))[at % len(weak or scores)]
        there = [one for one in examples if one["domain"] == domain]
        best = max(there, key=lambda one: one["score"])
        words = sorted(set(_WORD.findall(best["question"])), key=len, reverse=True)[:5]
        topic = rng.choice(words) if words else domain
        lead = _LEADS[at // len(_QUESTIONS) % len(_LEADS)]
        question = lead + _QUESTIONS[at % len(_QUESTIONS)].format(topic)
        made.append({"domain": domain, "question": question})
    return Played({"weak_domains": weak, "patterns": _patterns(examples, mean), "questions": made})


def _examples(asked: Asked) -> list[dict[str, Any]]:
    value = asked.data.get("examples")
    if not isinstance(value, list) or not value or not all(map(_is_example, value)):
        raise CannotPlay("the prompt carries no examples with domain, question and score")
    return value


def _is_example(one: Any) -> bool:
    if not isinstance(one, dict) or isinstance(one.get("score"), bool):
        return False
    texts = [one.get("domain"), one.get("question")]
    return all(isinstance(text, str) for text in texts) and isinstance(
        one.get("score"), int | float
    )


def _patterns(examples: Sequence[dict[str, Any]], mean: float) -> list[str]:
    """What sets questions with high scores apart: their length."""
    high = [len(e["question"].split()) for e in examples if e["score"] >= mean]
    low = [len(e["question"].split()) for e in examples if e["score"] < mean]
    if not high or not low:
        return []
    return [f"They have {fmean(high):.0f} words on average, low-scoring ones {fmean(low):.0f}."]
