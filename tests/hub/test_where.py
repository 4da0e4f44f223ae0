"""Lines of YAML: the way into a document, as far as it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hub.where import Step, at, column, item, line_of

TEXT = """\
# a comment
name: x
customProperties:
  - {property: pull, value: {mode: increment}}
  - property: feeds
    value:
      - {entity: person}
      - entity: household
        set: {a: b}
schema:
  - name: t
    properties:
      - {name: one}
      - {name: two}
"""


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ((), 1),
        (("name",), 2),
        (("nothing",), 1),
        (item("pull"), 4),
        (item("feeds"), 6),
        (item("feeds", 0), 7),
        (item("feeds", 1, "set"), 9),
        (item("feeds", 1, "map"), 8),
        (item("feeds", 7), 6),
        (item("drift"), 3),
        (column("two"), 14),
        (column("three"), 12),
        (("name", "deeper", 3), 2),
    ],
)
def test_the_way_is_gone_as_far_as_it_leads(steps: tuple[Step, ...], line: int) -> None:
    assert line_of(TEXT, *steps) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: [1, 2\n\n\n", 2), ("a: 1\n b: 2\nc: 3\n", 2), ("a: 'x\nb: 1\n", 1), ("\0", 1), ("", 1)],
)
def test_of_what_is_no_yaml_the_line_of_the_fault(text: str, line: int) -> None:
    assert line_of(text, "a", "b") == line


def test_a_file_that_is_not_there_or_no_text_has_a_first_line(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_bytes(b"a: \xff")
    assert at(tmp_path, "x.yml", "a") == "x.yml:1"
    assert at(tmp_path, "y.yml", "a") == "y.yml:1"


_names = st.text("abcdefgh", min_size=1, max_size=3)
_trees = st.recursive(
    st.integers() | _names,
    lambda inner: st.dictionaries(_names, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=3),
    max_leaves=12,
)


@given(_trees, st.data())
def test_every_key_is_found_where_it_is_written(tree: object, data: st.DataObject) -> None:
    text = yaml.safe_dump(tree)
    way: list[Step] = []
    node = tree
    while isinstance(node, dict | list) and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        way.append(step)
        node = node[step]  # type: ignore[index]
    line = text.splitlines()[line_of(text, *way) - 1]
    assert not way or not isinstance(way[-1], str) or f"{way[-1]}:" in line or f"'{way[-1]}':" in line
