from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handrail.asking import as_json

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(values)
def test_it_is_json_as_the_standard_library_indents_it(value: Any) -> None:
    assert as_json(value) == json.dumps(value, ensure_ascii=False, indent=1).replace("</", "<\\/")


def test_no_text_ends_a_block() -> None:
    shown = as_json({"a": "</data>"})
    assert "</" not in shown
    assert json.loads(shown) == {"a": "</data>"}
