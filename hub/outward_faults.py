"""What is wrong with what a system's file says of the way out: products that go there, persons verified there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.auth_options import implied
from connectors.options import faults_of
from connectors.verify_options import VerifyPerson
from connectors.write_options import WRITE_MODELS, Deliver, split
from hub.contract_types import Contracts, System
from hub.where import Fault, Step

__all__ = ["outward_faults"]


def outward_faults(contracts: Contracts, system: System) -> Iterator[Fault]:
    """Say all that is wrong with `deliver` and `verify`, each held against the connection it goes over."""
    for place, entry in enumerate(system.deliver):
        yield from _deliver_faults(contracts, system, entry, ("deliver", place))
    same = [(entry.get("product"), entry.get("connection")) for entry in system.deliver]
    for place, one in enumerate(same):
        if one in same[:place]:
            yield ("deliver", place), f"product {one[0]!r} goes over connection {one[1]!r} twice"
    for name, entry in system.verify.items():
        yield from _verify_faults(system, entry, ("verify", name))


def _deliver_faults(
    contracts: Contracts, system: System, entry: Mapping[str, Any], way: tuple[Step, ...]
) -> Iterator[Fault]:
    common, options = split(entry)
    faults = faults_of(Deliver, common, "word of a delivery")
    yield from (((*way, *steps), text) for steps, text in faults)
    kind, connection = _connection(system, entry)
    if kind is None and "connection" not in entry:
        return  # said above
    if kind is None:
        yield (*way, "connection"), f"connection {entry.get('connection')!r} is not among the system's connections"
    elif kind not in WRITE_MODELS:
        allowed = ", ".join(WRITE_MODELS)
        yield (*way, "connection"), f"a connection of kind {kind!r} only reads; allowed: {allowed}"
    else:
        defaults = {"code": implied(connection).get("code", "")} if kind == "rest" else {}
        found = faults_of(WRITE_MODELS[kind], {**defaults, **options}, f"option of a {kind} delivery")
        yield from (((*way, *steps), text) for steps, text in found)
    if not faults:
        yield from _product_faults(contracts, system, Deliver.model_validate(common), kind, way)


def _product_faults(
    contracts: Contracts, system: System, deliver: Deliver, kind: str | None, way: tuple[Step, ...]
) -> Iterator[Fault]:
    product = contracts.products.get(deliver.product)
    if product is None:
        if not contracts.is_unread(f"schemas/products/{deliver.product}.yml"):
            yield (*way, "product"), f"product {deliver.product!r} is not in schemas/products/"
        return
    if product.subscriber != system.name:
        # Whoever may have it is said in the product, by those who answer for it.
        yield (*way, "product"), f"product {deliver.product!r} is not made for {system.name}: see its `subscriber`"
        return
    for name in ("keys", "columns"):
        for column in sorted(set(getattr(deliver, name)) - {*product.by_name}):
            yield (*way, name), f"{name} names {column!r}, which is no column of {deliver.product}"
    names = list(deliver.columns.values())
    if len(set(names)) < len(names):
        yield (*way, "columns"), "columns gives one name to several"
    keys = deliver.keys or product.keys
    missing = set(keys) - set(deliver.columns) if deliver.columns else set()
    if kind == "sql" and (not keys or missing):
        yield (*way, "keys"), "keys must name columns that are delivered and tell a row"


def _verify_faults(system: System, entry: Mapping[str, Any], way: tuple[Step, ...]) -> Iterator[Fault]:
    kind, connection = _connection(system, entry)
    if kind != "rest":
        yield (*way, "connection"), f"connection {entry.get('connection')!r} must be one of the system's, of kind rest"
        return
    known = {name: value for name, value in implied(connection).items() if name in VerifyPerson.model_fields}
    found = faults_of(VerifyPerson, {**known, **entry}, "option of a verification")
    yield from (((*way, *steps), text) for steps, text in found)


def _connection(system: System, entry: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """Kind and options of the connection an entry names; None where there is no such."""
    connections: Any = system.connections
    named = entry.get("connection")
    told = connections.get(named) if isinstance(connections, Mapping) and isinstance(named, str) else None
    if not isinstance(told, Mapping) or not isinstance(told.get("kind"), str):
        return None, {}
    options = told.get("options", {})
    return told["kind"], options if isinstance(options, Mapping) else {}
