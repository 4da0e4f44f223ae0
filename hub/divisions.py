"""Divisions over time: which code followed which, from which day, and other systems' codes for the same place.

Both come from code lists that are edited by hand, with a source for every line: `division_successor.csv` and
`division_alias.csv` in `schemas/codelists/`. The list of codes itself, ended ones included, is `division.csv`.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from hub.settings import ROOT

__all__ = [
    "KINDS",
    "Alias",
    "DivisionHistory",
    "Part",
    "Succession",
    "division_faults",
    "head_of",
    "known_keys",
    "read_aliases",
    "read_history",
    "statutory_county",
]

KINDS: Mapping[str, str] = {
    "recode": "改码",
    "absorb": "并入",
    "found": "合并新设",
    "split": "拆分",
    "abolish": "撤销",
}
"""How a division ended -> its Chinese title. `absorb`: into one that goes on; `found`: with others, into a new one."""

_FOLDER = Path("schemas", "codelists")
_SUCCESSOR, _ALIAS = "division_successor", "division_alias"
_DIGITS = 12
_HEADS = (2, 4, 6, 9)
_TOLERANCE = 0.001


def head_of(code: str) -> str:
    """A division's digits without the zeros that only fill up: 320305005000 -> 320305005."""
    for length in _HEADS:
        if code[length:] and not code[length:].strip("0"):
            return code[:length]
    return code


@dataclass(frozen=True)
class Succession:
    """One line of the crosswalk.

    Attributes:
        old: The code that ended.
        new: The code that follows; empty where the division was abolished.
        share: Which share of the old one's people went there, 0 to 1.
        since: The first day of the new one.
        kind: A key of `KINDS`.
        title: What happened, in Chinese.
    """

    old: str
    new: str
    share: float
    since: date
    kind: str
    title: str


@dataclass(frozen=True)
class Part:
    """A division that an old code stands for today, and the old one's share in it."""

    code: str
    share: float


@dataclass(frozen=True)
class DivisionHistory:
    """The crosswalk from ended codes to those that followed.

    Attributes:
        successions: Its lines, in the order of the file.
    """

    successions: tuple[Succession, ...]

    @cached_property
    def _by_old(self) -> Mapping[str, Sequence[Succession]]:
        found: dict[str, list[Succession]] = defaultdict(list)
        for one in self.successions:
            found[one.old].append(one)
        return found

    def ended(self, on: date) -> Mapping[str, date]:
        """Codes that are no longer in force on a day -> the first day they were not."""
        return {old: lines[0].since for old, lines in self._by_old.items() if lines[0].since <= on}

    def begun(self) -> Mapping[str, date]:
        """Codes that came into being by a succession -> their first day."""
        return {one.new: one.since for one in self.successions if one.kind in ("recode", "found", "split")}

    def followed(self, code: str, on: date) -> tuple[Part, ...]:
        """What a code stands for on a day: itself, one successor or several by code; nothing if it was abolished.

        Every step of a chain is followed: a village renamed in 2020 and merged in 2024 is the merged one.
        """
        parts: dict[str, float] = defaultdict(float)
        waiting = [(code, 1.0, frozenset[str]())]
        while waiting:
            at, share, before = waiting.pop()
            lines = [one for one in self._by_old.get(at, ()) if one.since <= on]
            if not lines:
                parts[at] += share
            elif at not in before:  # a cycle is a fault of the configuration, never an endless loop
                waiting += [(one.new, share * one.share, before | {at}) for one in lines if one.new]
        return tuple(Part(found, round(parts[found], 6)) for found in sorted(parts))

    def moves(self, codes: Collection[str], on: date) -> Mapping[str, tuple[Part, ...]]:
        """Ended codes among `codes` -> what they stand for on a day."""
        return {code: self.followed(code, on) for code in self.ended(on) if code in codes}

    def told(self, code: str, on: date) -> str:
        """Say in Chinese what became of a code, e.g. 白下区并入秦淮区（2013-01-01起）; empty where nothing did."""
        lines = [one for one in self._by_old.get(code, ()) if one.since <= on]
        return "；".join(f"{one.title}（{one.since}起）" for one in lines)


@dataclass(frozen=True)
class Alias:
    """Another code system's way to name a division.

    Attributes:
        system: Whose code it is.
        match: `whole`: `alias` is that system's code of `division`; `county`: divisions that begin with `division`
            belong by statute to county `alias`.
        since: First day it holds; None: from the beginning.
        until: Last day it holds; None: to this day.
    """

    system: str
    match: str
    alias: str
    division: str
    since: date | None
    until: date | None

    def holds(self, on: date) -> bool:
        """Whether it is in force on a day."""
        return (self.since is None or self.since <= on) and (self.until is None or self.until >= on)


def read_history(root: Path = ROOT) -> DivisionHistory:
    """Read the crosswalk below `root`; a line that `division_faults` finds fault with is left out."""
    return DivisionHistory(tuple(one for _, one in _successions(root) if isinstance(one, Succession)))


def read_aliases(root: Path = ROOT) -> tuple[Alias, ...]:
    """Read the aliases below `root`; a line that `division_faults` finds fault with is left out."""
    return tuple(one for _, one in _aliases(root) if isinstance(one, Alias))


def known_keys(codes: Collection[str], aliases: Collection[Alias], on: date) -> Mapping[str, str]:
    """Every way to write a division as a whole code -> its 12 digits: the list's own codes and others' codes.

    A code of the list stands for itself, whatever another system means by it.
    """
    keys = {one.alias: one.division for one in aliases if one.match == "whole" and one.holds(on)}
    return keys | {code: code for code in codes}


def statutory_county(code: str, aliases: Collection[Alias], on: date) -> str:
    """The county a division belongs to by statute (GB/T 2260), which is another one for development zones."""
    fitting = [one for one in aliases if one.match == "county" and one.holds(on) and code.startswith(one.division)]
    return max(fitting, key=lambda one: len(one.division)).alias if fitting else f"{code[:6]}000000"


def _lines(root: Path, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    path = root / _FOLDER / f"{name}.csv"
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            for row in reader:
                yield reader.line_num, {key: value or "" for key, value in row.items() if key}


def _successions(root: Path) -> Iterator[tuple[int, Succession | str]]:
    """Each line's number with what it says, or with what is wrong with it."""
    for number, row in _lines(root, _SUCCESSOR):
        try:
            kind, old, new = row["kind"], row["from_code"], row["to_code"]
            one = Succession(old, new, float(row["share"] or 1), _day(row["valid_from"]), kind, row["title"])
        except (KeyError, ValueError) as error:
            yield number, f"misses or cannot read {error}"
            continue
        yield number, _fault_of_line(one, row["code"]) or one


def _fault_of_line(one: Succession, code: str) -> str | None:
    if code != f"{one.old}>{one.new}":
        return "its code must be from_code>to_code"
    if one.kind not in KINDS:
        return f"kind {one.kind!r} is unknown; allowed: {', '.join(KINDS)}"
    if not _is_code(one.old) or (one.new and not _is_code(one.new)):
        return "from_code and to_code must have 12 digits"
    if (one.kind == "abolish") != (not one.new):
        return "to_code is empty for kind abolish and for no other"
    if one.new and len(head_of(one.old)) != len(head_of(one.new)):
        return "from_code and to_code are of different levels"
    return None if 0 < one.share <= 1 else "share must be above 0 and not above 1"


def _aliases(root: Path) -> Iterator[tuple[int, Alias | str]]:
    for number, row in _lines(root, _ALIAS):
        try:
            since, until = (_day(row[name]) if row[name] else None for name in ("valid_from", "valid_to"))
            yield number, Alias(row["system"], row["match"], row["alias"], row["division_code"], since, until)
        except (KeyError, ValueError) as error:
            yield number, f"misses or cannot read {error}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("a day as YYYY-MM-DD") from None


def _is_code(text: str) -> bool:
    return len(text) == _DIGITS and text.isascii() and text.isdigit()


def division_faults(root: Path, codes: Collection[str]) -> list[str]:
    """Say what is wrong with the crosswalk and the aliases, each with its file and line.

    Cycles, shares of one division that do not add up to 1, successors and aliases that lead to no division, a code
    that is an alias of two.

    Args:
        root: The folder that holds `schemas/`.
        codes: The codes of `division.csv`.
    """
    told = [(_SUCCESSOR, *fault) for fault in _succession_faults(root, codes)]
    told += [(_ALIAS, *fault) for fault in _alias_faults(root, codes)]
    return [f"{(_FOLDER / f'{name}.csv').as_posix()}:{line}: {text}" for name, line, text in told]


def _succession_faults(root: Path, codes: Collection[str]) -> Iterator[tuple[int, str]]:
    read = list(_successions(root))
    good = [(number, one) for number, one in read if isinstance(one, Succession)]
    yield from ((number, one) for number, one in read if isinstance(one, str))
    ends = {one.old: number for number, one in reversed(good)}
    for number, one in good:
        if one.new and one.new not in codes and one.new not in ends:
            yield number, f"to_code {one.new} is neither in division.csv nor followed by another"
    for old, number in ends.items():
        lines = [one for _, one in good if one.old == old]
        if len({one.since for one in lines}) > 1:
            yield number, f"{old} ends on more than one day"
        if abs(sum(one.share for one in lines) - 1) > _TOLERANCE:
            yield number, f"the shares of {old} do not add up to 1"
    for loop in _cycles({old: [one.new for _, one in good if one.old == old] for old in ends}):
        yield ends[loop[0]], f"a cycle: {' > '.join(loop)}"


def _cycles(next_of: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Every cycle of the crosswalk, once, from its lowest code on."""
    for start in sorted(next_of):
        ways = [[start]]
        while ways:
            way = ways.pop()
            for new in next_of.get(way[-1], ()):
                if new == start:
                    yield [*way, new]
                elif new > start and new not in way:
                    ways.append([*way, new])


def _alias_faults(root: Path, codes: Collection[str]) -> Iterator[tuple[int, str]]:
    read = list(_aliases(root))
    yield from ((number, one) for number, one in read if isinstance(one, str))
    good = [(number, one) for number, one in read if isinstance(one, Alias)]
    heads = {head_of(code) for code in codes}
    for number, one in good:
        yield from ((number, text) for text in _faults_of_alias(one, codes, heads))
    whole = Counter((one.alias, one.system) for _, one in good if one.match == "whole" and one.until is None)
    for number, one in good:
        if one.match == "whole" and one.until is None and whole[one.alias, one.system] > 1:
            yield number, f"{one.system} code {one.alias} stands for more than one division"


def _faults_of_alias(one: Alias, codes: Collection[str], heads: Collection[str]) -> Iterator[str]:
    if one.match not in ("whole", "county"):
        yield f"match {one.match!r} is unknown; allowed: whole, county"
    elif one.match == "whole":
        if one.division not in codes:
            yield f"{one.system} code {one.alias} leads to {one.division or 'nothing'}, which is not in division.csv"
        if one.alias in codes and one.alias != one.division:
            yield f"{one.system} code {one.alias} is itself a division of division.csv"
    else:
        yield from (f"{text} is not in division.csv" for text in (one.alias,) if text not in codes)
        yield from (f"no division begins with {text}" for text in (one.division,) if text not in heads)
