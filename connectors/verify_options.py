"""What a system's `verify` may say: how one person is verified by a call, and over which connection."""

from __future__ import annotations

from typing import ClassVar

from connectors.options import Text
from connectors.rest_options import Verify

__all__ = ["VerifyPerson"]


class VerifyPerson(Verify):
    """One service that verifies persons.

    Attributes:
        connection: Of the same system, of kind `rest`.
        name, number: How the service calls the person's name and number.
        fields: What is wanted of its answer.
    """

    page: ClassVar[str] = "docs/connectors/rest.md"
    connection: Text
    name: Text
    number: Text
    fields: tuple[Text, ...] = ()
