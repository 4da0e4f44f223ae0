"""What happens to the people of a county in one month: they die, are born, move, change telephones and names."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from samples.book import Book
from samples.dates import YEAR
from samples.divisions import County
from samples.draw import Bools, Floats, Ints, between
from samples.newcomers import (
    arrival,
    calendar,
    free_number,
    lives_at,
    named,
    newborn,
    registered_at,
    surname_of,
)
from samples.people import ORIGINS, phones
from samples.residence import NEVER_CANCELLED, NONE, NOT_CERTIFIED

# Shares of the living a month; at least one of each where anybody qualifies.
DIED, BORN, MOVED, PHONE, RENAMED = 0.000_6, 0.000_4, 0.003, 0.005, 0.000_05
MOVED_IN, MOVED_OUT, LEFT = 0.000_8, 0.000_25, 0.000_6
TO_THE_REGISTER = 0.4  # of those who move in
CANCELLED_LATER = 0.85  # of last month's dead whom the police have not cancelled yet
NUMBERED = 0.9  # of the newborn of a month and more
PEOPLE_A_DWELLING = 2.6
REGISTER = ("household_no", "registered_division_code", "registered_address_code")
NOWHERE = dict.fromkeys(("living_division_code", "living_address_code", "living_grid_code"))


class Homes:
    """The addresses of the counties, and those where nobody lives, is registered or does business."""

    def __init__(self, addresses: pa.Table, used: Iterable[str | None], rng: np.random.Generator) -> None:
        self._rows: dict[str, dict[str, str]] = {row["address_code"]: row for row in addresses.to_pylist()}
        taken = set(used)
        free = [code for code in self._rows if code not in taken]
        self._vacant: dict[str, list[str]] = defaultdict(list)
        for place in rng.permutation(len(free)).tolist():
            self._vacant[free[place][:6]].append(free[place])

    def at(self, code: str) -> dict[str, str]:
        """The row of an address."""
        return self._rows[code]

    def vacant(self, county: County) -> dict[str, str]:
        """An empty home of a county, which is then taken.

        Raises:
            ValueError: there is none left.
        """
        if not self._vacant[county.prefix]:
            raise ValueError(f"samples: no address of {county.title} is empty; make fewer --people")
        return self._rows[self._vacant[county.prefix].pop()]


class Life:
    """One county's month, from the day the county was as of to the day before the new one.

    Attributes:
        rehoused: register number -> where it is now.
        joined: register number -> how many have come into it.
    """

    def __init__(
        self, rng: np.random.Generator, county: County, book: Book, homes: Homes, days: tuple[int, int]
    ) -> None:
        self.rng, self.county, self.book, self.homes = rng, county, book, homes
        self.first, self.today = days
        self.rehoused: dict[str, dict[str, str]] = {}
        self.joined: Counter[str] = Counter()
        self.mine = book.of_county(county.position)
        self.alive = book.there("living_address_code") & self.mine
        self.registered = book.there("registered_address_code") & ~book.there("moved_out_date") & self.mine
        self.age = np.floor((self.first - book.days("birth_date")) / YEAR).astype(np.int64)
        self.busy = np.zeros(len(book), dtype=np.bool_)

    def pass_by(self) -> None:
        """Let the month pass, written into the book; nobody but the newborn and the dead has two changes."""
        self._number()
        self._die()
        self._cancel()
        self._move()
        self._go()
        self._new_phones()
        self._rename()
        self._bear()
        self._arrive()

    def day(self) -> int:
        """A day of the month."""
        return int(self.rng.integers(self.first, self.today))

    def pick(self, able: Bools, share: float, weight: Floats | None = None) -> list[int]:
        """Draw people for a share of the living, at least one, and keep them from other changes."""
        free = np.flatnonzero(able & self.mine & ~self.busy)
        wanted = min(len(free), max(round(share * int(self.alive.sum())), 1))
        if not wanted:
            return []
        chance = None if weight is None else weight[free] / weight[free].sum()
        found: list[int] = np.sort(self.rng.choice(free, wanted, replace=False, p=chance)).tolist()
        self.busy[found] = True
        return found

    def _number(self) -> None:
        waiting = self.book.there("newborn_unregistered") & self.alive
        due = waiting & (self.book.days("birth_date") < self.today - 30) & (self.rng.random(len(waiting)) < NUMBERED)
        chosen = np.flatnonzero(due if due.any() else waiting).tolist()
        for place in chosen[: None if due.any() else 1]:
            self._number_one(place)

    def _number_one(self, place: int) -> None:
        child = self.book.row(place)
        if child["outsider"]:
            origin = ORIGINS[int(self.rng.integers(0, len(ORIGINS)))]
            values: dict[str, Any] = {"id_number": free_number(self.book, self.county, child, origin)}
        else:
            register = self._register_of(child)
            if register is None:  # a family that is in no register waits
                return
            values = {name: register[name] for name in REGISTER}
            values["id_number"] = free_number(self.book, self.county, child)
            self.joined[register["household_no"]] += 1
        self.book.change(place, "numbered", self.day(), values | {"newborn_unregistered": False})
        self.busy[place] = True

    def _register_of(self, child: dict[str, Any]) -> dict[str, Any] | None:
        """The mother, or else somebody at the same address, who is in the register."""
        near = [self.book.place_of(child["mother_person_id"])] if child["mother_person_id"] is not None else []
        near += self.book.places("living_address_code", {child["living_address_code"]})
        rows = [self.book.row(place) for place in near if self.registered[place]]
        return rows[0] if rows else None

    def _die(self) -> None:
        hazard = np.exp(0.09 * np.maximum(self.age, 0))
        self.dead = self.pick(self.alive & (self.age > 0), DIED, hazard)
        for place in self.dead:
            day = self.day()
            self.book.change(place, "died", day, {"death_date": calendar(day), "death_certified": True, **NOWHERE})

    def _cancel(self) -> None:
        """The police close the register of those who died lately: of the months before mostly, of this one some."""
        death = self.book.days("death_date")
        open_ = self.registered & (death != NONE) & ~self.book.there("death_cancelled_date")
        late = open_ & (death > self.first - 60) & (self.rng.random(len(death)) < CANCELLED_LATER)
        days = {place: self.day() for place in np.flatnonzero(late).tolist()}
        fresh = {place: self._died(place) for place in self.dead if self.registered[place]}
        for place, died in fresh.items():
            cancelled = died + int(self.rng.integers(3, 41))
            if cancelled < self.today and self.rng.random() >= NEVER_CANCELLED:
                days[place] = cancelled
        if not days:
            others = np.flatnonzero(open_).tolist()[-1:] or list(fresh)[:1]
            days = dict.fromkeys(others, self.today - 1)
        for place, day in sorted(days.items()):
            # Whom neither the hospital nor the police tell of would be alive to everybody.
            unseen = {"death_certified": False} if place in fresh and self.rng.random() < NOT_CERTIFIED else {}
            self.book.change(place, "cancelled", day, {"death_cancelled_date": calendar(day), **unseen})
            self.busy[place] = True

    def _died(self, place: int) -> int:
        return next(event.day for event in self.book.events if event.place == place and event.kind == "died")

    def _move(self) -> None:
        """Whole dwellings move: who lives there, and who is registered there."""
        count = max(round(MOVED * int(self.alive.sum()) / PEOPLE_A_DWELLING), 1)
        seeds = self.rng.permutation(np.flatnonzero(self.alive & ~self.busy))[: count * 2].tolist()
        wanted = {self.book.row(place)["living_address_code"] for place in seeds}
        affected: dict[str, list[int]] = defaultdict(list)
        for place in self.book.places("living_address_code", wanted):
            affected[self.book.table["living_address_code"][place].as_py()].append(place)
        still_there = self.registered & ~self.book.there("death_date")
        for place in self.book.places("registered_address_code", wanted):
            address = self.book.table["registered_address_code"][place].as_py()
            if still_there[place] and place not in affected[address]:
                affected[address].append(place)
        calm = [places for _, places in sorted(affected.items()) if not self.busy[places].any()]
        for places in calm[:count]:
            self._move_all(places)

    def _move_all(self, places: list[int]) -> None:
        home, day = self.homes.vacant(self.county), self.day()
        rows = [self.book.row(place) for place in places]
        old = next(row["living_address_code"] for row in rows if row["living_address_code"])
        for place, row in zip(places, rows, strict=True):
            values: dict[str, Any] = lives_at(home) if row["living_address_code"] == old else {}
            if row["registered_address_code"] == old:
                values |= registered_at(home)
                self.rehoused[row["household_no"]] = home
            self.book.change(place, "moved", day, values)
        self.busy[places] = True

    def _go(self) -> None:
        outsider = self.book.there("outsider")
        single = self.alive & self.registered & ~self.book.there("across")
        for place in self.pick(single & (self.age >= 18) & (self.age <= 48), MOVED_OUT):
            day = self.day()
            self.book.change(place, "moved_out", day, {"moved_out_date": calendar(day), **NOWHERE})
        for place in self.pick(self.alive & outsider & self.book.there("id_number"), LEFT):
            self.book.change(place, "left", self.day(), {"left": True, **NOWHERE})

    def _new_phones(self) -> None:
        places = self.pick(self.alive & (self.age >= 16) & self.book.there("phone"), PHONE)
        for place, phone in zip(places, phones(self.rng, len(places)).to_pylist(), strict=True):
            self.book.change(place, "phone", self.day(), {"phone": phone})

    def _rename(self) -> None:
        for place in self.pick(self.alive & self.registered & (self.age >= 16), RENAMED):
            row = self.book.row(place)
            year, is_male = row["birth_date"].year, row["sex_code"] == "1"
            name = named(self.rng, surname_of(row["person_name"]), is_male, year, row["ethnicity_code"])
            values = {"person_name": name, "former_name": row["person_name"]}
            self.book.change(place, "renamed", self.day(), values)

    def _bear(self) -> None:
        """Children of married women, who are not changed by it themselves."""
        married = np.isin(self.book.table["marital_status_code"].to_pylist(), ("20", "21", "22"))
        woman = np.asarray(self.book.table["sex_code"].to_numpy(zero_copy_only=False) == "2")
        lately = self.book.days("birth_date") > self.first - 300
        mothers = set(self.book.table["mother_person_id"].filter(pa.array(lately)).drop_null().to_pylist())
        free = ~np.isin(self.book.table["person_id"].to_numpy(), list(mothers))
        able = self.alive & self.registered & married & woman & free & (self.age >= 20) & (self.age <= 42)
        for place in self.pick(able, BORN):
            mother = self.book.row(place)
            family = self.book.places("living_address_code", {mother["living_address_code"]})
            day = self.day()
            child = newborn(self.rng, mother, [self.book.row(one) for one in family], day)
            self.book.add(self.county.position, "born", day, child)

    def _arrive(self) -> None:
        count = max(round(MOVED_IN * int(self.alive.sum())), 2)
        to_register = max(round(count * TO_THE_REGISTER), 1)
        for number, back in enumerate(between(self.rng, 0, self.today - self.first - 1, count).tolist()):
            home, day = self.homes.vacant(self.county), self.today - 1 - back
            person = arrival(self.rng, self.book, self.county, day, home)
            if number < to_register:
                household = self._new_household(number)
                person |= registered_at(home) | {"household_no": household, "outsider": False}
                self.rehoused[household] = home
                self.joined[household] += 1
            self.book.add(self.county.position, "moved_in", day, person)

    def _new_household(self, number: int) -> str:
        """A register number after the last one of the county: three digits of the county, six of the register."""
        known = self.book.table["household_no"].filter(pa.array(self.mine)).drop_null()
        last: Ints = np.asarray([int(value) for value in known.to_pylist()], dtype=np.int64)
        return f"{int(last.max()) + 1 + number:09d}"
