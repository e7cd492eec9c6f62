"""A combined reward from a YAML file: strict, each error with its place and mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import HandrailError, ModelError
from handrail.rewards.combining.combine import CombinedReward
from handrail.rewards.combining.file import combined_of
from tests.rewards.fakes import Table, Trained, turn

WHOLE = """
parts:
  - {model: runs/pref, weight: .25}
  - {model: runs/abs, as: probability, weight: .5}
  - {rule: length, weight: .25, name: long}
  - {length: {over: 2, per_word: .01, most: .5}}
  - {length: {target: 3, per_token: .1, tokenizer: tok}}
normalise: none
clip: 4
"""


def read(text: str, where: str = "mix.yaml", opened: list[str] | None = None) -> CombinedReward:
    def open_model(name: str) -> Any:
        if opened is not None:
            opened.append(name)
        if name == "gone":
            raise ModelError("there is no model 'gone'")
        return Trained({"a b c": 1.0}, name) if "abs" in name else Table({"a b c": 2.0}, name)

    return combined_of(yaml.safe_load(text), where, open_model, lambda _name: len)


def test_the_whole_form() -> None:
    text = WHOLE.replace("  - {length: {target: 3, per_token: .1, tokenizer: tok}}\n", "")
    made = read(text)
    whole = made.parts_all([(turn(), "a b c")])
    assert whole.weights == pytest.approx({"runs/pref": 0.25, "runs/abs": 0.5, "long": 0.25})
    expected = 0.25 * 2.0 + 0.5 * 0.7310585786 + 0.25 * 5 - 0.01
    assert whole.scores == [pytest.approx(expected)]
    assert (made.name, made.clip, made.normalise) == ("mix", 4.0, False)


def test_tokens_are_counted_by_the_tokenizer() -> None:
    made = read("parts: [{model: m}, {length: {target: 3, per_token: .1, tokenizer: tok}}]")
    assert made.parts_all([(turn(), "a b c")]).penalties == {"length": [pytest.approx(0.2)]}


def test_two_uses_of_a_model_are_told_apart() -> None:
    made = read(
        "{parts: [{model: abs}, {model: abs, as: probability, weight: 3}], normalise: running}"
    )
    assert made.weights == {"abs": 0.25, "abs-2": 0.75}
    assert made.normalise


def test_names_beside_the_file_go_first(tmp_path: Path) -> None:
    (tmp_path / "pref").mkdir()
    opened: list[str] = []
    read("parts: [{model: pref}, {model: elsewhere}]", str(tmp_path / "mix.yaml"), opened)
    assert opened == [str(tmp_path / "pref"), "elsewhere"]


def test_saved_moments_are_taken_over_and_frozen(tmp_path: Path) -> None:
    where = str(tmp_path / "mix.yaml")
    first = read("{parts: [{model: m}], normalise: running}", where)
    first.score(turn(), ["a b c"])
    first.save(tmp_path / "moments.json")
    made = read("{parts: [{model: m}], normalise: running, moments: moments.json}", where)
    assert made.frozen
    assert made.moments == first.moments


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "mix.yaml: 'parts' is a list of parts"),
        ("{part: []}", "mix.yaml: there is no field 'part' here. Did you mean 'parts'?"),
        ("parts: []", "'parts' is a list of parts, found []"),
        ("parts: {model: m}", "'parts' is a list of parts"),
        ("parts: [m]", "parts[0]: a part is a mapping, found 'm'"),
        ("parts: [{modle: m}]", "parts[0]: a part has one of .* Did you mean 'model'?"),
        ("parts: [{model: m, rule: length}]", "found 'model' and 'rule'"),
        ("parts: [{model: m, wieght: 1}]", "no field 'wieght' here. Did you mean 'weight'?"),
        ("parts: [{model: m, weight: much}]", "parts[0].weight: expected a number, found 'much'"),
        ("parts: [{model: m, weight: true}]", "parts[0].weight: expected a number"),
        ("parts: [{model: m, weight: .nan}]", "parts[0].weight: expected a number"),
        ("parts: [{model: m, weight: 0}]", "parts[0].weight: the weight 0 is impossible"),
        ("parts: [{model: m, as: probabilty}]", "parts[0].as: .* Did you mean 'probability'?"),
        ("parts: [{model: 3}]", "parts[0].model: expected a name, found 3"),
        ("parts: [{model: m.yaml}]", "parts[0].model: a part is no combined reward"),
        ("parts: [{rule: checks}]", "parts[0].rule: there is no rule 'checks'"),
        ("parts: [{model: m}, {length: 80}]", "parts[1]: 'length' is a mapping, found 80"),
        ("parts: [{length: {over: 80, per_word: 1}}]", "there are penalties and no score"),
        ("parts: [{model: m}, {length: {over: 8}}]", "parts[1].length: a length has either 'per_w"),
        ("parts: [{model: m}, {length: {per_word: 1}}]", "has either 'over' or 'target'"),
        ("parts: [{model: m}, {length: {over: 8, per_token: 1}}]", "'tokenizer' come together"),
        ("parts: [{model: m}, {length: {over: 8, per_word: 1}, weight: 1}]", "has no weight"),
        ("parts: [{model: m}, {length: {over: 8.5, per_word: 1}}]", "'over' is a whole number"),
        ("parts: [{model: m}, {repetition: {n: 0}}]", "parts[1].repetition: n-grams of 0"),
        ("parts: [{model: m}, {repetition: {times: 2}}]", "no field 'times' here"),
        ("{parts: [{model: m}], normalise: yes}", "mix.yaml, normalise: 'True' is not known"),
        ("{parts: [{model: m}], clip: -4}", "mix.yaml: a clip at -4.0"),
        ("{parts: [{model: gone}]}", "parts[0].model: there is no model 'gone'"),
        ("{parts: [{model: m}], moments: none.json}", "none.json: cannot be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    import re

    pattern = ".*".join(re.escape(piece) for piece in told.split(".*"))
    with pytest.raises(HandrailError, match=pattern):
        read(text)


def test_nothing_is_opened_before_all_is_checked() -> None:
    opened: list[str] = []
    for text in (
        "parts: [{model: m}, {model: n, weight: -1}]",
        "parts: [{model: m}, {repetition: {n: 0}}]",
        "{parts: [{model: m}], clip: four}",
    ):
        with pytest.raises(HandrailError):
            read(text, opened=opened)
    assert opened == []


values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["m", "length"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["model", "rule", "weight", "length", "over", "as"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["parts", "normalise", "clip", "moments", "name"]), values))
def test_any_data_is_a_reward_or_one_clear_error(data: dict[str, Any]) -> None:
    try:
        made = combined_of(data, "mix.yaml", lambda name: Table({}, name), lambda _name: len)
    except HandrailError as error:
        told = str(error)
    else:
        told = made.name
        assert sum(made.weights.values()) == pytest.approx(1)
    assert told
