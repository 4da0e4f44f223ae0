"""The real divisions a county is built on, read from the code list the hub also uses."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

DIVISION_LIST = Path(__file__).parents[1] / "schemas" / "codelists" / "division.csv"
UNIT_ENDINGS = ("村民委员会", "居民委员会", "村委会", "居委会", "委员会", "村委）")


@dataclass(frozen=True)
class Unit:
    """A village-level unit (村/居): code of 12 digits, official title, short name as written in addresses."""

    code: str
    title: str
    town: int
    short: str
    urban: bool


@dataclass(frozen=True)
class County:
    """A county with its towns and units; `position` is its place in the whole list, `place` that in its prefecture."""

    code: str
    title: str
    prefecture: str
    position: int
    place: int
    towns: tuple[tuple[str, str], ...]
    units: tuple[Unit, ...]

    @property
    def prefix(self) -> str:
        """The six digits of the county."""
        return self.code[:6]


def read_rows() -> list[dict[str, str]]:
    """All rows of the division code list: code, title, level, parent_code."""
    with DIVISION_LIST.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def find_counties(code: str) -> list[County]:
    """The county of a code, or every county of a prefecture or province code.

    Args:
        code: 6 or 12 digits; the zeros of a larger division may be left out, two by two.

    Raises:
        ValueError: no county of the list lies under the code.
    """
    rows = read_rows()
    known = re.fullmatch(r"(\d\d)(\d\d)?(\d\d)?(0{6})?", code) is not None
    stem = code[:6]
    while stem.endswith("00"):
        stem = stem.removesuffix("00")
    names = {row["code"]: row["title"] for row in rows}
    counties = [row["code"] for row in rows if row["level"] == "county"]
    found = [item for item in counties if known and stem and item.startswith(stem)]
    if not found:
        raise ValueError(
            f"samples: no county for code {code!r} in {DIVISION_LIST.name}; "
            "give a county, prefecture or province code, such as 320305, 320300 or 320000"
        )
    return [_county(item, counties, names, rows) for item in found]


def _county(code: str, counties: list[str], names: dict[str, str], rows: list[dict[str, str]]) -> County:
    inside = [row for row in rows if row["code"][:6] == code[:6]]
    towns = tuple((row["code"], row["title"]) for row in inside if row["level"] == "town")
    town_index = {town: index for index, (town, _) in enumerate(towns)}
    units = tuple(
        Unit(
            code=row["code"],
            title=row["title"],
            town=town_index[row["parent_code"]],
            short=short_name(row["title"]),
            urban=row["code"][9] in "014",
        )
        for row in inside
        if row["level"] == "village"
    )
    siblings = [item for item in counties if item[:4] == code[:4]]
    prefecture = names[code[:4] + "00000000"]
    return County(code, names[code], prefecture, counties.index(code), siblings.index(code), towns, units)


def short_name(title: str) -> str:
    """A unit's name as an address writes it: 马庄村委会 → 马庄村, 夏桥社区居委会 → 夏桥社区."""
    name = title.removesuffix("虚拟生活区").removesuffix("虚拟社区")
    ending = next((item for item in UNIT_ENDINGS if name.endswith(item)), "")
    if not ending:
        return name
    name = name.removesuffix(ending)
    suffix = "村" if ending.startswith("村") else ("" if name.endswith(("社区", "村")) else "社区")
    return name + suffix


def urban_rural_code(unit: Unit, town_code: str, chance: float) -> str:
    """A plausible urban-rural class (NBS) from the kinds of the unit and its town; `chance` in [0, 1) varies it."""
    kind, town_kind = unit.code[9:], int(town_code[6:9])
    if kind in {"498", "598"}:
        return "123"
    if kind[0] in "235":
        return ("112" if town_kind < 100 else "122") if chance < 0.12 else "220"
    if town_kind < 100:
        return "111" if chance < 0.75 else "112"
    if town_kind < 200:
        return "121" if chance < 0.8 else "122"
    return "210" if town_kind < 400 else "123"
