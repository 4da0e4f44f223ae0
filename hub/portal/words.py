"""The portal's words in Chinese and English (`words.yml`), and how figures and dates are written in each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Literal, TypedDict, cast

import yaml

from hub.context import CHINA

__all__ = ["LANGUAGES", "Language", "Words", "day", "load_words", "moment", "name_of", "number", "say", "short_name"]

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
"""The first is the one a visitor meets."""

_DASH = "—"


class Words(TypedDict):
    """The file's two parts: key -> language -> text, and a contract's name -> its English."""

    words: Mapping[str, Mapping[Language, str]]
    names: Mapping[str, str]


@cache
def load_words() -> Words:
    """Read every text of the portal."""
    text = (Path(__file__).parent / "words.yml").read_text(encoding="utf-8")
    return cast(Words, yaml.safe_load(text))


def say(language: Language, key: str, **values: object) -> str:
    """Return a text in a language with its `{places}` filled.

    Raises:
        KeyError: `words.yml` has no such key, or a place has no value.
    """
    return load_words()["words"][key][language].format(**values)


def name_of(language: Language, name: str, title: str) -> str:
    """Return a contract's Chinese title, or in English what `words.yml` or else the contract's own name says."""
    if language == "zh":
        return title
    return load_words()["names"].get(name) or name.replace("_", " ").capitalize()


def short_name(name: str) -> str:
    """A village's name as people say it: 马庄村委会 is 马庄村, 瓦店社区居民委员会 is 瓦店社区."""
    return re.sub(r"(?<=村)(?:村?民)?委员?会$|居民?委员?会$", "", name)


def number(value: float | None) -> str:
    """Write a figure with separators; a fraction keeps one digit, a missing figure is a dash."""
    if value is None:
        return _DASH
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def day(language: Language, value: date | None) -> str:
    """Write a date: 2026年11月1日, 1 November 2026."""
    if value is None:
        return _DASH
    if language == "zh":
        return f"{value.year}年{value.month}月{value.day}日"
    return f"{value.day} {value:%B} {value.year}"


def moment(language: Language, value: datetime | None) -> str:
    """Write a moment in China's time, to the minute."""
    if value is None:
        return _DASH
    local = value.astimezone(CHINA)
    return f"{day(language, local.date())} {local:%H:%M}"
