"""Where in a YAML file something stands, so that a fault can be told by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hub.contract_types import BaseContract, Contract, ProductContract, System

__all__ = ["Fault", "Step", "at", "column", "error_line", "file_of", "item", "line_of"]

Step = str | int | tuple[str, str]
"""One step into a document: a mapping's key, a list's place, or (`key`, `value`): the item of a list that has them."""

Fault = tuple[tuple[Step, ...], str]
"""The way to what is wrong in its file, and one sentence."""


def item(name: str, *steps: Step) -> tuple[Step, ...]:
    """The way to a contract's custom property and on into its value."""
    return ("customProperties", ("property", name), "value", *steps)


def column(name: str, *steps: Step) -> tuple[Step, ...]:
    """The way to a contract's column and on."""
    return ("schema", 0, "properties", ("name", name), *steps)


def file_of(described: Contract | System) -> str:
    """The file, below the repository, that a contract or a system was read from."""
    if isinstance(described, System):
        return f"connectors/systems/{described.name}.yml"
    folder = "schemas" if isinstance(described, BaseContract | ProductContract) else "schemas/sources"
    return f"{folder}/{described.tail}.yml"


def at(root: Path, file: str, *steps: Step) -> str:
    """Return `file:line` of what the steps lead to, or of the last thing on the way there that exists."""
    try:
        text = (root / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"{file}:1"
    return f"{file}:{line_of(text, *steps)}"


def line_of(text: str, *steps: Step) -> int:
    """Return the line of what the steps lead to; in a text that is no YAML, the line of its first error."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return error_line(error, text)
    line = 1
    for step in steps:
        found = _step(node, step)
        if found is None:
            break
        line, node = found
    return line


def error_line(error: yaml.YAMLError, text: str) -> int:
    """Return the line at which a text stopped being YAML; of what is never closed, the line where it began."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1
    found, begun = error.problem_mark, error.context_mark
    at_the_end = found is not None and found.line >= len(text.rstrip().splitlines())
    mark = begun or found if at_the_end else found or begun
    return mark.line + 1 if mark else 1


def _step(node: Any, step: Step) -> tuple[int, Any] | None:
    """The line a step leads to, and the node there."""
    if isinstance(node, yaml.MappingNode) and isinstance(step, str):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    if isinstance(node, yaml.SequenceNode) and isinstance(step, tuple):
        for child in node.value:
            found = _step(child, step[0])
            if found is not None and found[1].value == step[1]:
                return child.start_mark.line + 1, child
    return None
