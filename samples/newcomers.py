"""People who were not in the county the month before: the newborn, and those who move in."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from samples.book import Book
from samples.codes import resident_ids
from samples.dates import EPOCH, YEAR, day_of
from samples.divisions import County
from samples.names import draw_surnames, full_names, surname_table
from samples.people import ORIGINS, RESIDENT_ID, phones

TRIES = 100  # sequences looked at for one that nobody has


def calendar(day: int) -> date:
    """The date of a day number."""
    return EPOCH + timedelta(days=day)


def free_number(book: Book, county: County, person: dict[str, Any], origin: str = "") -> str:
    """A resident ID that nobody has yet, with the impossible prefix of the county or of another county of origin.

    Raises:
        ValueError: too many people of one sex were born on that day.
    """
    near, far = county.place % 10, int(county.prefix[2:4])
    prefix = int(county.prefix[:4]) * 100 + 70 + near
    if origin:
        prefix = int(origin[:2]) * 10_000 + (60 + far) * 100 + 70 + near
    birth = np.full(TRIES, day_of(person["birth_date"]), dtype=np.int64)
    male = np.full(TRIES, person["sex_code"] == "1")
    numbers = resident_ids(np.full(TRIES, prefix, dtype=np.int64), birth, male, share=county.place // 10).to_pylist()
    free: str | None = next((number for number in numbers if number not in book.numbers), None)
    if free is None:
        raise ValueError(f"samples: no number is left for births of {person['birth_date']}; make fewer --people")
    book.numbers.add(free)
    return free


def named(rng: np.random.Generator, surname: int, is_male: bool, year: int, ethnicity: str) -> str:
    """An invented full name."""
    one = np.array([surname], dtype=np.int64), np.array([is_male]), np.array([year], dtype=np.int64)
    names, _ = full_names(rng, *one, pa.array([ethnicity]))
    name: str = names[0].as_py()
    return name


def surname_of(name: str) -> int:
    """Index of the surname a name begins with; the first of the list for a name without one."""
    surnames = surname_table()[0]
    return next((surnames.index(name[:size]) for size in (2, 1) if name[:size] in surnames), 0)


def newborn(
    rng: np.random.Generator, mother: dict[str, Any], family: Sequence[dict[str, Any]], day: int
) -> dict[str, Any]:
    """The child of a mother: no number, no register yet, lives with her, named after the man of the family."""
    is_male = bool(rng.random() < 0.525)
    men = [one for one in family if one["sex_code"] == "1" and one["marital_status_code"] != "10"]
    surname = surname_of((men or [mother])[0]["person_name"])
    same = ("ethnicity_code", "living_division_code", "living_address_code", "living_grid_code", "outsider", "across")
    return {name: mother[name] for name in same} | {
        "id_type_code": RESIDENT_ID,
        "person_name": named(rng, surname, is_male, calendar(day).year, mother["ethnicity_code"]),
        "sex_code": "1" if is_male else "2",
        "birth_date": calendar(day),
        "marital_status_code": "10",
        "education_code": "90",
        "relation_code": "40" if mother["across"] else "20" if is_male else "30",
        "newborn_unregistered": True,
        "mother_person_id": mother["person_id"],
    }


def arrival(rng: np.random.Generator, book: Book, county: County, day: int, home: dict[str, str]) -> dict[str, Any]:
    """A grown person who comes alone from another county to live at an address, not in the register yet."""
    is_male = bool(rng.random() < 0.55)
    birth = day - int((20 + rng.random() * 35) * YEAR)
    person = {
        "id_type_code": RESIDENT_ID,
        "person_name": named(rng, int(draw_surnames(rng, 1)[0]), is_male, calendar(birth).year, "01"),
        "sex_code": "1" if is_male else "2",
        "birth_date": calendar(birth),
        "ethnicity_code": "01",
        "marital_status_code": "10",
        "education_code": ("21", "31", "61", "71")[int(rng.integers(0, 4))],
        "phone": phones(rng, 1)[0].as_py(),
        "relation_code": "02",
        "outsider": True,
        **lives_at(home),
    }
    origin = ORIGINS[int(rng.integers(0, len(ORIGINS)))]
    return person | {"id_number": free_number(book, county, person, origin)}


def lives_at(home: dict[str, str]) -> dict[str, str]:
    """The columns of a person who lives at an address."""
    return {f"living_{name}_code": home[f"{name}_code"] for name in ("division", "address", "grid")}


def registered_at(home: dict[str, str]) -> dict[str, str]:
    """The columns of a person who is registered at an address."""
    return {f"registered_{name}_code": home[f"{name}_code"] for name in ("division", "address")}
