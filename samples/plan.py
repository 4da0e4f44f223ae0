"""What is asked of the generator, checked before anything is drawn."""

from dataclasses import dataclass
from datetime import date, datetime, time

from samples.dates import day_of

MOST_PEOPLE_A_COUNTY = 2_000_000


@dataclass(frozen=True)
class Plan:
    """The arguments of one making: the same plan gives the same rows on any machine.

    Args:
        county: a county, prefecture or province code.
        people: how many people, outsiders included, in all counties together.
        seed: the seed of all chance.
        faults: the share of rows that are spoiled, 0 to 0.2.
        as_of: the day the systems are as of.
    """

    county: str
    people: int
    seed: int
    faults: float
    as_of: date

    def __post_init__(self) -> None:
        """Refuse arguments that cannot be made.

        Raises:
            ValueError: people, seed or faults are out of range.
        """
        if self.people < 1:
            raise ValueError(f"samples: --people is {self.people}; give 1 or more")
        if not 0 <= self.faults <= 0.2:
            raise ValueError(f"samples: --faults is {self.faults}; give a share of rows from 0 to 0.2")
        if self.seed < 0:
            raise ValueError(f"samples: --seed is {self.seed}; give 0 or more")

    @property
    def today(self) -> int:
        """The day number of `as_of`."""
        return day_of(self.as_of)

    @property
    def midnight(self) -> datetime:
        """The moment the plan's day begins, which files give as the time they were made."""
        return datetime.combine(self.as_of, time())
