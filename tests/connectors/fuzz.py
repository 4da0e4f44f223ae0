"""What the fuzzing tests share: how many they try, how bytes and JSON are spoiled, what may become of them.

`HUB_TEST_FUZZ` says how many spoiled deliveries every case tries; without it each has a number of its own, so that all
take about a minute. Seeded, so that the first ones are the same however many are tried: a failure names its number.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import SetAsideError

_GIVEN = int(os.environ.get("HUB_TEST_FUZZ", "0"))

unhurried = pytest.mark.timeout(0 if _GIVEN else 300)
"""Ten thousand of a kind that needs a process each take longer than a test may."""

PERSON = "张三"
"""Stands in the data of every delivery that is spoiled; no error may repeat it."""

CRUMBS = (
    *(b"", b"\0", b'"', b",", b"\t", b"\r", b"\n", b"\xff", b"\xff\xff", b"<", b">", b"{", b"}", b"[", b"]", b"\\u"),
    *(b"</table>", b"<td rowspan=0 colspan=99999>", b"<!--", b"<![", b"&#x110000;", b"1e999", b"\\ud800", b"\x80\x80"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", "镇".encode("gb18030"), b"PK\x01\x02"),
    *(b"NaN", b"\xed\xa0\x80", b"9" * 400, b"&", b"\xb2"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**400, float("inf"), "", "²", "9" * 30, "-1", "\ud800", PERSON),
    *([], {}, [None], [[]], {"": None}, [1, 2], "2026-01-01", {"type": "Point", "coordinates": ["x"]}),
    {"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]},
    "http://[",
    "?limit=2",
    "EPSG:3857",
)


def tries(usual: int) -> int:
    """How many spoiled deliveries a case tries."""
    return _GIVEN or usual


def chances(name: str) -> random.Random:
    """The same chances at every run, for each case its own."""
    return random.Random(name)  # noqa: S311


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes: overwritten, put in, taken out, repeated, or the end cut off."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        start = chance.randrange(len(found) + 1)
        end = min(len(found), start + chance.choice((1, 1, 2, 8, 64)))
        what = chance.randrange(6)
        if what == 0 and start < len(found):
            found[start] = chance.randrange(256)
        elif what == 1:
            found[start:start] = chance.choice(CRUMBS)
        elif what == 2:
            del found[start:end]
        elif what == 3:
            found[start:start] = found[start:end]
        elif what == 4:
            found[start:end] = chance.choice(CRUMBS)
        elif chance.random() < 0.3:
            del found[start:]
    return bytes(found)


def of(content: bytes, count: int) -> Iterator[bytes]:
    """A content spoiled so many times."""
    chance = random.Random(20261124)  # noqa: S311
    return (spoiled(content, chance) for _ in range(count))


def _inner(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(pairs):
        yield value, key
        yield from _inner(item)


def spoiled_json(content: bytes, chance: random.Random) -> bytes:
    """Drop, rename or replace members of a JSON document."""
    value = json.loads(content)
    for _ in range(chance.randint(1, 2)):
        places = list(_inner(value))
        if not places:
            break
        holder, key = chance.choice(places)
        match chance.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[chance.choice(("", "a", PERSON))] = holder.pop(key)
            case _:
                holder[key] = copy.deepcopy(chance.choice(VALUES))
    return json.dumps(value).encode()


def spoiled_answer(content: bytes, chance: random.Random) -> bytes:
    """Spoil JSON, or a document of JSON lines, by its members or its bytes; anything else by its bytes."""
    if not content.startswith((b"{", b"[")) or chance.random() < 0.4:
        return spoiled(content, chance)
    lines = content.splitlines(keepends=True)
    place = chance.randrange(len(lines))
    lines[place] = spoiled_json(lines[place], chance) + b"\n"
    return b"".join(lines)


def written(path: Path, contents: Iterable[bytes]) -> Iterator[None]:
    """Lay each content into a file in turn."""
    for content in contents:
        path.write_bytes(content)
        yield


def met(
    attempts: Iterable[object],
    read: Callable[[], Any],
    folder: Path | None = None,
    ours: tuple[type[Exception], ...] = (SetAsideError,),
) -> Counter[str]:
    """Read once an attempt and count what became of it; an error that is not ours fails with the attempt's number.

    Args:
        attempts: Each has laid a spoiled delivery where `read` finds it.
        read: Takes the delivery.
        folder: No message may name it.
        ours: What may be raised.

    Returns:
        `read`, reason codes and names of errors -> how often.
    """
    found: Counter[str] = Counter()
    told: set[str] = set()
    for number, _ in enumerate(attempts):
        try:
            read()
            found["read"] += 1
        except ours as error:
            found[getattr(error, "reason", type(error).__name__)] += 1
            told.add(str(error))
        except BaseException as error:
            raise AssertionError(f"attempt {number}: {type(error).__name__}: {error}") from error
    assert not [text for text in told if PERSON in text or (folder is not None and str(folder) in text)]
    return found
