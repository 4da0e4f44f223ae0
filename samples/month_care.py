"""Who gets on a list in a month and who gets off it: minimum allowance, extreme difficulty, old age, disability."""

from typing import Any

import numpy as np

from samples.care import ALLOWANCE_AGE
from samples.dates import YEAR
from samples.draw import Bools
from samples.life import Life

# Shares of the living a month; at least one of each where anybody qualifies.
FAMILIES, DESTITUTE, DISABLED, REGRADED = 0.000_1, 0.000_03, 0.000_4, 0.000_2
NEEDY_AGE = 55


def care(life: Life) -> None:
    """Write into the book who is on which list now."""
    _turn_eighty(life)
    _families(life)
    book = life.book
    able = life.alive & life.registered & ~book.there("low_income") & ~book.there("destitute")
    alone = np.isin(np.arange(len(book)), _alone(life))
    _mark(life, able & alone & (life.age >= NEEDY_AGE), DESTITUTE, "destitute", {"destitute": True})
    _mark(life, life.alive & book.there("destitute"), DESTITUTE, "destitute_ended", {"destitute": False})
    disabled = book.there("disability_kind_code")
    for place in life.pick(life.alive & life.registered & ~disabled & (life.age > 0), DISABLED):
        kind, grade = (str(int(life.rng.integers(1, top + 1))) for top in (7, 4))
        values = {"disability_kind_code": kind, "disability_grade_code": grade}
        book.change(place, "disability", life.day(), values)
    for place in life.pick(life.alive & disabled, REGRADED):
        grade = str(int(book.row(place)["disability_grade_code"]) % 4 + 1)
        book.change(place, "disability_regraded", life.day(), {"disability_grade_code": grade})


def _mark(life: Life, able: Bools, share: float, kind: str, values: dict[str, Any]) -> None:
    for place in life.pick(able, share):
        life.book.change(place, kind, life.day(), values)


def _turn_eighty(life: Life) -> None:
    age = np.floor((life.today - life.book.days("birth_date")) / YEAR)
    due = life.alive & life.registered & (age >= ALLOWANCE_AGE) & ~life.book.there("elderly_allowance")
    due &= ~life.book.had("died", "moved_out")
    for place in np.flatnonzero(due).tolist():
        life.book.change(place, "elderly_allowance", life.today - 1, {"elderly_allowance": True})


def _alone(life: Life) -> list[int]:
    """Who is the only one at an address."""
    homes = life.book.table["living_address_code"].to_pylist()
    first: dict[str, int] = {}
    shared = set()
    for place, home in enumerate(homes):
        if first.setdefault(home, place) != place:
            shared.add(home)
    return [place for home, place in first.items() if home is not None and home not in shared]


def _families(life: Life) -> None:
    """Whole families get the minimum allowance, or lose it."""
    book, granted = life.book, life.book.there("low_income")
    at_home = life.alive & life.registered & ~book.there("across") & ~book.had("died", "moved_out")
    for able, kind, now in (
        (at_home & ~granted & ~book.there("destitute"), "low_income", True),
        (at_home & granted, "low_income_ended", False),
    ):
        seeds = life.pick(able, FAMILIES)
        households = {book.row(place)["household_no"] for place in seeds}
        members = [place for place in book.places("household_no", households) if able[place]]
        for place in members:
            book.change(place, kind, life.today - 10, {"low_income": now})
            life.busy[place] = True
