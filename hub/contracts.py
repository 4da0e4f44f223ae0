"""The contracts of `schemas/` and the systems of `connectors/systems/`, read once, checked whole, typed.

Everything structural is stated there once; Arrow and SQL types, structural expectations, products and
dictionary pages are derived from the objects of this module.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hub.contract_faults import cross_faults
from hub.contract_reader import read_contracts
from hub.contract_types import (
    ARROW_TYPES,
    BaseContract,
    Codelist,
    Column,
    Contract,
    Contracts,
    Feed,
    ProductContract,
    SourceContract,
    System,
)
from hub.errors import ConfigurationError
from hub.settings import ROOT

__all__ = [
    "ARROW_TYPES",
    "BaseContract",
    "Codelist",
    "Column",
    "Contract",
    "Contracts",
    "Feed",
    "ProductContract",
    "SourceContract",
    "System",
    "load_contracts",
]


@cache
def load_contracts(root: Path = ROOT) -> Contracts:
    """Read and check every contract, system and code list below `root`.

    Raises:
        ConfigurationError: Something is wrong; every fault is listed with its file.
    """
    contracts, faults = read_contracts(root)
    faults += cross_faults(contracts)
    if faults:
        raise ConfigurationError(faults)
    return contracts
