"""What is compared, and what agreement is worth: one model an entity, for Splink (Fellegi and Sunter).

`m` is how often rows of one person agree so, `u` how often rows of two people do. The numbers are set by reckoning
over a county's registers, not trained at each run: the same rows always get the same weight, and a department can be
told why. `python -m benchmarks quality` holds them against the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ACCEPT",
    "CAP",
    "MARGIN",
    "MODELS",
    "REVIEW",
    "Block",
    "Comparison",
    "Level",
    "Model",
    "comparison_settings",
    "one_character_off",
    "settings_of",
]

ACCEPT = 0.95
"""From this probability on a pair is linked without asking anybody."""

REVIEW = 0.5
"""From here up to `ACCEPT` two people decide; below, the rows are taken for different ones."""

MARGIN = 3.0
"""Bits by which the best partner of a row must beat the next one; else people decide."""

_LONGEST_NAME = 12

CAP = 2_000
"""Most pairs one value of a block may make; above, that value is skipped and counted."""


@dataclass(frozen=True)
class Level:
    """One outcome of a comparison, by an SQL condition over columns that end in `_l` and `_r`.

    Attributes:
        condition: Tried in order; an empty one holds for whatever is left.
        is_frequent: Whether a rare value counts for more than a common one.
    """

    condition: str
    m: float
    u: float
    is_frequent: bool = False


@dataclass(frozen=True)
class Comparison:
    """One thing that is compared; where `unknown` holds it says nothing."""

    name: str
    unknown: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Block:
    """Columns that two rows must share to be compared at all."""

    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The columns, joined by `+`."""
        return "+".join(self.columns)


@dataclass(frozen=True)
class Model:
    """How rows of one entity without a number are compared.

    Attributes:
        entity: Name of the base table.
        number: The column whose value identifies; rows without it are looked at.
        fields: Columns a row may have, each as text.
        frequent: The column whose values' frequencies count: the name.
        other_name: A column with another name of the same, where the entity has one.
        told: Field -> SQL over `number`: what a number tells, even a damaged one, where the row does not say it itself.
    """

    entity: str
    number: str
    fields: tuple[str, ...]
    frequent: str
    other_name: str | None
    told: Mapping[str, str]
    blocks: tuple[Block, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Fields that are names, which are compared whatever variant of a character they are written with."""
        return tuple(name for name in (self.frequent, self.other_name) if name)


def one_character_off(column: str) -> str:
    """SQL: whether two texts of one length, of up to twelve characters, differ by one of them.

    DuckDB's own distances count bytes, of which a Chinese character has three.
    """
    left, right = f"{column}_l", f"{column}_r"
    places = " OR ".join(
        f"(left({left}, {n}) = left({right}, {n}) AND substr({left}, {n + 2}) = substr({right}, {n + 2}))"
        for n in range(_LONGEST_NAME)
    )
    return f"length({left}) = length({right}) AND length({left}) <= {_LONGEST_NAME} AND ({places})"


def _any(column: str) -> str:
    return f"list_has_any({column}s_l, {column}s_r)"


def _empty(column: str) -> str:
    return f"len({column}s_l) = 0 OR len({column}s_r) = 0"


def _shared(column: str, m: float, u: float, otherwise: float) -> Comparison:
    """Whether any value is shared: `m` of the same, `u` of two; `otherwise` is `m` where none is."""
    return Comparison(column, _empty(column), (Level(_any(column), m, u), Level("", otherwise, 1 - u)))


_PERSON = Model(
    entity="person",
    number="id_number",
    fields=(
        *("person_name", "former_name", "sex_code", "birth_date", "phone"),
        *("division_code", "address_code", "address_text", "household_no"),
    ),
    frequent="person_name",
    other_name="former_name",
    told={
        "birth_date": "strftime(try_strptime(substr(number, 7, 8), '%Y%m%d'), '%Y-%m-%d')",
        "sex_code": "CASE WHEN substr(number, 17, 1) IN ('1', '3', '5', '7', '9') THEN '1' ELSE '2' END",
    },
    blocks=(
        Block(("person_name", "birth_date")),
        Block(("person_name", "division_code")),
        Block(("person_name",)),
        Block(("number_head",)),
        Block(("phone",)),
        Block(("household_no", "birth_date")),
        Block(("birth_date", "division_code", "sex_code")),
    ),
    comparisons=(
        Comparison(
            "person_name",
            "person_name_l IS NULL OR person_name_r IS NULL",
            (
                Level("person_name_l = person_name_r", 0.9, 0.0002, is_frequent=True),
                Level(f"{_any('person_name')}", 0.06, 0.0002),
                # Twins and sisters differ by a character as well.
                Level(one_character_off("person_name"), 0.02, 0.04),
                Level("", 0.02, 0.9596),
            ),
        ),
        Comparison(
            "birth_date",
            "birth_date_l IS NULL OR birth_date_r IS NULL",
            (
                Level("birth_date_l = birth_date_r", 0.97, 0.00005),
                Level("damerau_levenshtein(birth_date_l, birth_date_r) = 1", 0.02, 0.002),
                Level("", 0.01, 0.99795),
            ),
        ),
        Comparison(
            "sex_code",
            "sex_code_l IS NULL OR sex_code_r IS NULL",
            (Level("sex_code_l = sex_code_r", 0.995, 0.5), Level("", 0.005, 0.5)),
        ),
        # Beside a birth date that agrees: what the rest of a damaged number adds.
        Comparison(
            "number",
            "number_l IS NULL OR number_r IS NULL",
            (
                Level("substr(number_l, 1, 17) = substr(number_r, 1, 17)", 0.55, 0.001),
                Level("damerau_levenshtein(number_l, number_r) = 1", 0.2, 0.002),
                Level("substr(number_l, 1, 15) = substr(number_r, 1, 15)", 0.2, 0.01),
                Level("", 0.05, 0.987),
            ),
        ),
        _shared("phone", 0.6, 0.0001, 0.4),
        _shared("division_code", 0.95, 0.012, 0.05),
        _shared("address_code", 0.6, 0.0002, 0.4),
        _shared("household_no", 0.85, 0.0002, 0.15),
    ),
)

_ENTITY = Model(
    entity="legal_entity",
    number="credit_code",
    fields=(
        *("entity_name", "legal_representative", "established_date", "phone"),
        *("address_text", "address_code", "division_code"),
    ),
    frequent="entity_name",
    other_name=None,
    told={},
    blocks=(
        Block(("entity_name",)),
        Block(("number_head",)),
        Block(("legal_representative", "division_code")),
        Block(("address_text", "established_date")),
    ),
    comparisons=(
        Comparison(
            "entity_name",
            "entity_name_l IS NULL OR entity_name_r IS NULL",
            (
                Level("entity_name_l = entity_name_r", 0.92, 0.0001, is_frequent=True),
                Level("jaro_winkler_similarity(entity_name_l, entity_name_r) > 0.94", 0.07, 0.005),
                Level("", 0.01, 0.9949),
            ),
        ),
        Comparison(
            "established_date",
            "established_date_l IS NULL OR established_date_r IS NULL",
            (Level("established_date_l = established_date_r", 0.96, 0.0003), Level("", 0.04, 0.9997)),
        ),
        Comparison(
            "number",
            "number_l IS NULL OR number_r IS NULL",
            (
                Level("substr(number_l, 1, 17) = substr(number_r, 1, 17)", 0.6, 0.00001),
                Level("damerau_levenshtein(number_l, number_r) = 1", 0.3, 0.00001),
                Level("", 0.1, 0.99998),
            ),
        ),
        _shared("legal_representative", 0.85, 0.0005, 0.15),
        _shared("phone", 0.5, 0.0001, 0.5),
        _shared("address_text", 0.7, 0.0005, 0.3),
        _shared("address_code", 0.7, 0.0005, 0.3),
        _shared("division_code", 0.95, 0.015, 0.05),
    ),
)

MODELS = (_PERSON, _ENTITY)
"""The models, in the order in which rows are linked."""


def settings_of(model: Model, known: int) -> dict[str, Any]:
    """A model as Splink reads it.

    Args:
        model: The model.
        known: How many persons or entities there are to be: the chance that two rows taken blindly are of one is its
            inverse.
    """
    return {
        "link_type": "dedupe_only",
        "sql_dialect": "duckdb",
        "unique_id_column_name": "unique_id",
        "probability_two_random_records_match": 1 / max(known, 2),
        "blocking_rules_to_generate_predictions": [],
        "comparisons": [comparison_settings(comparison, model.frequent) for comparison in model.comparisons],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
    }


def comparison_settings(comparison: Comparison, frequent: str = "") -> dict[str, Any]:
    """A comparison as Splink reads it.

    Args:
        comparison: The comparison.
        frequent: The column whose values' frequencies count.
    """
    levels: list[dict[str, Any]] = [
        {"sql_condition": comparison.unknown, "label_for_charts": "unknown", "is_null_level": True}
    ]
    for number, level in enumerate(comparison.levels):
        shown = {
            "sql_condition": level.condition or "ELSE",
            "label_for_charts": f"{comparison.name} {number}",
            "m_probability": level.m,
            "u_probability": level.u,
        }
        if level.is_frequent:
            shown |= {"tf_adjustment_column": frequent, "tf_adjustment_weight": 1.0, "tf_minimum_u_value": 0.000002}
        levels.append(shown)
    return {"output_column_name": comparison.name, "comparison_levels": levels}
