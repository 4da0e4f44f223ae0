"""XML as a stream of elements, each gone once it was looked at; no entity is resolved and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from lxml import etree

__all__ = ["XmlError", "elements", "local"]

_LONGEST: Final = 1 << 24
"""Bytes from one element looked for to the next; what lies between is held in memory."""


class XmlError(ValueError):
    """A document that cannot be read; the text says why, without a word of it."""


def elements(
    blocks: Iterable[bytes], tags: Iterable[str], *, starts: bool = False, encoding: str | None = None
) -> Iterator[tuple[str, Any]]:
    """Give the elements of some names, as `end` with all they hold; looked at, they are emptied, those before gone.

    Args:
        blocks: The document.
        tags: Local names, whatever their namespace.
        starts: Whether they are also given as `start`, when only their attributes are known.
        encoding: Counts over what the document says of itself.

    Raises:
        XmlError: No whole XML, one with a document type, or one that holds too much between two elements.
    """
    parser = etree.XMLPullParser(
        events=("start", "end") if starts else ("end",),
        tag=[f"{{*}}{tag}" for tag in tags],
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    since = 0
    try:
        for block in blocks:
            parser.feed(block)
            since += len(block)
            for event, element in parser.read_events():
                since = 0
                if element.getroottree().docinfo.doctype:
                    raise XmlError("a document type")
                yield event, element
                if event == "end":
                    _forget(element)
            if since > _LONGEST:
                raise XmlError("an element that does not end")
        parser.close()
    except etree.LxmlError:
        raise XmlError("no whole XML") from None


def _forget(element: Any) -> None:
    element.clear(keep_tail=False)
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]


def local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition("}")[2]
