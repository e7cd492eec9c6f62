"""Single texts in other words by a scripted model."""

from __future__ import annotations

from handrail.records import Skip
from handrail.synthesis import paraphrase_texts
from tests.synthesis.scripted import Scripted


def test_one_paraphrase_of_each_text_or_why_there_is_none() -> None:
    said = {
        "Pay 5 euros.": ["Five is due.", "Please pay 5 euros."],
        "Hello.": ["Hi there.", "Hey."],
        "Bye.": ["BYE."],
    }
    model = Scripted(
        paraphrase=lambda data: {"paraphrases": said[data["text"]]} if data["text"] in said else "?"
    )
    told: list[tuple[str, int, int]] = []
    texts = ["Hello.", "Pay 5 euros.", "Hello.", "Bye.", "What?"]
    made = paraphrase_texts(texts, model.asking(), lambda *done: told.append(done))
    assert made[0] == made[2] == "Hi there."
    assert [s.reason if isinstance(s, Skip) else "" for s in made[1:4:2]] == [
        "it changes a number",
        "it says nothing new",
    ]
    assert isinstance(made[4], Skip)
    assert model.asked["paraphrase"] == 4  # equal texts are asked about once
    assert told[-1] == ("paraphrase", 4, 4)


def test_no_text_asks_nothing() -> None:
    model = Scripted()
    assert paraphrase_texts([], model.asking()) == []
    assert not model.asked
