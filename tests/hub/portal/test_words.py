"""Every text the templates ask for is there, in both languages, and none is there for nothing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from jinja2 import nodes

from hub.portal.app import _OWN_PAGE
from hub.portal.frame import FOLDER, templates
from hub.portal.words import LANGUAGES, day, load_words, moment, name_of, number, say, short_name

WORDS = load_words()["words"]
# What the sign-in page is handed, and keys put together from a contract's or a group's own words.
MESSAGES = {"sign_in_failed", "slowed", "session_over", "signed_out"}
PREFIXES = ("group_", "kind_", "sharing_", "error_", "column_")


def _keys(argument: nodes.Expr) -> set[str]:
    """Keys a call's argument may be; one put together gives its fixed head."""
    if isinstance(argument, nodes.CondExpr):
        return _keys(argument.expr1) | _keys(argument.expr2 or argument.expr1)
    return {argument.value} if isinstance(argument, nodes.Const) else set()


def asked_for() -> set[str]:
    """Every key a template or the sign-in asks for."""
    found: set[str] = set()
    for path in (FOLDER / "templates").glob("*.html"):
        for call in templates().env.parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                found |= _keys(call.args[0])
    return found | MESSAGES


def test_every_text_asked_for_exists() -> None:
    assert len(asked_for()) > 80
    assert asked_for() <= set(WORDS)


def test_no_text_lies_idle() -> None:
    called = asked_for()
    assert {key for key in WORDS if key not in called and not key.startswith(PREFIXES)} == set()


@pytest.mark.parametrize(
    "key",
    [
        *(f"kind_{kind}" for kind in ("string", "integer", "number", "boolean", "date", "timestamp", "geometry")),
        *(f"sharing_{sharing}" for sharing in ("unconditional", "conditional", "refused")),
        *(f"group_{group}" for group in ("people", "care", "places", "others")),
        *(f"error_{status}" for status in _OWN_PAGE),
    ],
)
def test_texts_for_composed_keys_exist(key: str) -> None:
    assert key in WORDS


def test_both_languages_fill_the_same_places() -> None:
    for key, texts in WORDS.items():
        assert set(texts) == set(LANGUAGES), key
        places = [set(re.findall(r"\{(\w+)\}", texts[language])) for language in LANGUAGES]
        assert places[0] == places[1], key


def test_a_text_with_a_place_left_empty_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("zh", "slowed")


def test_figures_and_dates_read_naturally() -> None:
    assert [number(value) for value in (0, 1234567, 30.04, None)] == ["0", "1,234,567", "30.0", "—"]
    assert (day("zh", date(2026, 1, 9)), day("en", date(2026, 1, 9))) == ("2026年1月9日", "9 January 2026")
    # Midnight in China is still the day before in UTC.
    assert moment("zh", datetime(2026, 11, 1, 16, 5, tzinfo=UTC)) == "2026年11月2日 00:05"
    assert (day("en", None), moment("zh", None)) == ("—", "—")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("马庄村委会", "马庄村"),
        ("马庄村村民委员会", "马庄村"),
        ("瓦店社区居委会", "瓦店社区"),
        ("援工社区居民委员会", "援工社区"),
        ("工业园区管委会", "工业园区管委会"),
        ("潘安湖街道", "潘安湖街道"),
    ],
)
def test_short_names(name: str, short: str) -> None:
    assert short_name(name) == short


def test_names_of_contracts() -> None:
    assert name_of("zh", "aged_65_up", "65岁及以上") == "65岁及以上"
    assert name_of("en", "aged_65_up", "65岁及以上") == "Aged 65 and over"
    assert name_of("en", "village_care_list", "名单") == "Village care list"
