"""What the departments know of each person: number, name, sex, birth, ethnicity, marriage, schooling, telephone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from samples.codes import resident_ids
from samples.dates import compact
from samples.divisions import County
from samples.draw import Bools, Ints, Texts, choose, digits, join, plain, take, where
from samples.households import FATHER, HEAD, MOTHER, RESIDENT_KINDS, SPOUSE, Households, Members
from samples.names import RARE_CHARACTERS, draw_surnames, full_names
from samples.residence import Residence, person_surnames

RESIDENT_ID = "111"
HAN_SHARE = 0.985
MINORITIES = ("03", "11", "06", "15", "08", "05", "07", "02", "12", "10", "04", "09")
MINORITY_WEIGHTS = (30, 8, 14, 12, 8, 24, 6, 4, 4, 2, 2, 2)
# Counties of other provinces (province digits first) people come from to work, and their weights.
ORIGINS = ("341321", "341323", "341222", "371322", "370826", "411481", "411426", "511722", "520526", "611025")
ORIGIN_WEIGHTS = (16, 10, 8, 9, 6, 9, 7, 4, 3, 2)
ORIGIN_IN_PROVINCE = 0.45
IN_MARRIED_ELSEWHERE = 0.2
RENAMED_SHARE = 0.02
FOREIGN_SHARE = 0.006
FOREIGN_TYPES = ("414", "516", "511", "553")
FOREIGN_NAMES = ("安娜·佩特洛娃", "约翰·史密斯", "李嘉明", "陈怡君", "山田太郎", "玛丽·杜邦")
PHONE_STEM = "100"  # eleven digits in form; no operator has numbers that begin with 10
# Highest schooling (GB/T 4658) by age: upper bound of age, codes, weights.
SCHOOLING: tuple[tuple[int, tuple[str, ...], tuple[int, ...]], ...] = (
    (6, ("90",), (1,)),
    (13, ("80",), (1,)),
    (16, ("71", "80"), (8, 2)),
    (19, ("61", "44", "71"), (6, 3, 2)),
    (35, ("21", "31", "61", "41", "71", "14"), (30, 28, 14, 10, 14, 4)),
    (50, ("71", "61", "31", "41", "21", "81", "14"), (38, 18, 15, 9, 14, 5, 1)),
    (65, ("71", "81", "61", "41", "31", "90"), (48, 26, 13, 4, 4, 5)),
    (200, ("81", "71", "90", "61"), (46, 22, 27, 5)),
)


@dataclass(frozen=True)
class Attributes:
    """One entry a person; strings as the base data has them, codes of the national standards."""

    id_type: Texts
    id_number: Texts
    name: Texts
    rare_name: Bools
    former_name: Texts
    sex: Texts
    ethnicity: Texts
    marital: Texts
    education: Texts
    phone: Texts
    origin: Texts


def describe(
    rng: np.random.Generator,
    county: County,
    counties: list[str],
    households: Households,
    members: Members,
    residence: Residence,
    as_of: int,
) -> Attributes:
    """Draw the attributes of every person; `counties` are the six-digit codes someone may have come from."""
    size = len(members)
    outsider = households.outsider[members.household]
    ethnicity = _ethnicity(rng, len(households)).take(pa.array(members.household))
    surname = person_surnames(rng, members, residence.surname, draw_surnames(rng, size))
    year = compact(members.birth) // 10_000
    name, rare = full_names(rng, surname, members.male, year, ethnicity)
    origin = _origins(rng, counties, len(households)).take(pa.array(members.household))
    id_number = _numbers(rng, county, members, outsider, origin)
    foreign = outsider & (members.slot == HEAD) & (members.age(as_of) >= 20) & (rng.random(size) < FOREIGN_SHARE)
    kinds = rng.integers(0, len(FOREIGN_TYPES), size)
    former, _ = full_names(rng, surname, members.male, year, ethnicity)
    # The rare case is drawn for the current name only.
    plainly = ~np.asarray(pa.compute.match_substring_regex(former, f"[{RARE_CHARACTERS}]"))
    renamed = (rng.random(size) < RENAMED_SHARE) & (members.age(as_of) > 15) & plainly
    former = where(renamed, former, None)
    adult = members.age(as_of) >= 16
    return Attributes(
        id_type=where(foreign, take(FOREIGN_TYPES, kinds), RESIDENT_ID),
        id_number=plain(where(foreign, _foreign_numbers(rng, county, kinds), id_number)),
        name=plain(where(foreign, take(FOREIGN_NAMES, rng.integers(0, len(FOREIGN_NAMES), size)), name)),
        rare_name=rare & ~foreign,
        former_name=plain(former),
        sex=where(members.male, "1", "2"),
        ethnicity=ethnicity,
        marital=_marital(rng, members, households, members.age(as_of)),
        education=_education(rng, members.age(as_of)),
        phone=where(adult & (rng.random(size) < 0.86), phones(rng, size), None),
        origin=where(outsider, origin, county.prefix),
    )


def phones(rng: np.random.Generator, size: int) -> Texts:
    """Telephone numbers of eleven digits that nobody can have: see `PHONE_STEM`."""
    return join(PHONE_STEM, digits(rng.integers(0, 100_000_000, size), 8))


def _ethnicity(rng: np.random.Generator, size: int) -> Texts:
    minority = take(MINORITIES, choose(rng, MINORITY_WEIGHTS, size))
    return where(rng.random(size) < HAN_SHARE, "01", minority)


def _origins(rng: np.random.Generator, counties: list[str], size: int) -> Texts:
    near = take(counties, rng.integers(0, len(counties), size))
    far = take(ORIGINS, choose(rng, ORIGIN_WEIGHTS, size))
    return plain(where(rng.random(size) < ORIGIN_IN_PROVINCE, near, far))


def _numbers(rng: np.random.Generator, county: County, members: Members, outsider: Bools, origin: Texts) -> Texts:
    """Resident IDs: prefixes no county has, different for each county made, so that no number is given twice."""
    home = int(county.prefix[:4]) * 100 + 70 + county.place % 10
    province = np.asarray(pa.compute.utf8_slice_codeunits(origin, 0, 2).cast(pa.int64()))
    elsewhere = province * 10_000 + (60 + int(county.prefix[2:4])) * 100 + 70 + county.place % 10
    married_in = np.isin(members.slot, (SPOUSE, MOTHER)) & (rng.random(len(members)) < IN_MARRIED_ELSEWHERE)
    return resident_ids(
        np.where(outsider | married_in, elsewhere, home), members.birth, members.male, share=county.place // 10
    )


def _foreign_numbers(rng: np.random.Generator, county: County, kinds: Ints) -> Texts:
    serial = digits(county.position * 900_000 + rng.permutation(len(kinds)) % 900_000, 8)
    forms = (join("X", serial), join("H", serial), serial, join("XXX3200", serial))
    columns: Any = forms[0]
    for index, form in enumerate(forms[1:], start=1):
        columns = where(kinds == index, form, columns)
    return plain(columns)


def _marital(rng: np.random.Generator, members: Members, households: Households, age: Ints) -> Texts:
    size = len(members)
    kind_names = np.array([kind.name for kind in RESIDENT_KINDS])[households.kind[members.household]]
    widowed = (kind_names == "elder_single") | ((members.slot >= FATHER) & (members.slot <= MOTHER))
    couple = np.bincount(members.household[members.slot == SPOUSE], minlength=len(households)) > 0
    married = couple[members.household] & np.isin(members.slot, (HEAD, SPOUSE))
    drawn = rng.random(size)
    code = np.where(age >= 38, np.where(drawn < 0.4, "40", np.where(drawn < 0.6, "30", "10")), "10")
    code = np.where(widowed, np.where(drawn < 0.75, "30", np.where(drawn < 0.9, "21", "10")), code)
    code = np.where(married, np.where(drawn < 0.9, "21", np.where(drawn < 0.97, "22", "20")), code)
    return plain(np.where(age < 20, "10", code).tolist())


def _education(rng: np.random.Generator, age: Ints) -> Texts:
    code = np.full(len(age), "90")
    low = -1
    for high, codes, weights in SCHOOLING:
        mine = np.flatnonzero((age >= low) & (age < high))
        code[mine] = np.array(codes)[choose(rng, weights, len(mine))]
        low = high
    return plain(code.tolist())
