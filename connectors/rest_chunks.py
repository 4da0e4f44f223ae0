"""Offers read page by page, in chunks of several pages: what is kept between two chunks, and what must hold over all.

Shared by the kinds `rest`, `ogc_features` and `wfs`.
"""

from __future__ import annotations

import hashlib
import json
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Final

import pyarrow as pa

from connectors.base import WHOLE, Chunk, Offer, Request
from connectors.errors import ChangedError, StopError
from connectors.http import Http
from connectors.rows import missing_columns, regrouped

__all__ = ["Page", "PagedOffer", "Position", "Progress", "digest_of", "value_of"]

PAGES_A_CHUNK: Final = 50
"""Pages of a chunk where the contract says nothing."""

_LEAVES_SECONDS: Final = 0.001
"""How long it takes a request to leave."""

Position = Mapping[str, Any]
"""Where a page begins, JSON-able: its number, an offset, a token, a link's query."""


@dataclass(frozen=True)
class Page:
    """One page as it came.

    Attributes:
        records: Its rows, in order.
        total: How many rows the source says it has in all; None where it says nothing.
        following: Where the next page begins; None after the last.
        names: The source's own names of the rows, of which each may come once; empty where it gives none.
        shapes: WKB of each row's geometry, where the kind has geometries.
        exact: Gives the rows once more with every number as the text it came in, where `records` was read quickly.
    """

    records: Sequence[Mapping[str, Any]]
    total: int | None
    following: Position | None
    names: Sequence[str] = ()
    shapes: Sequence[bytes | None] = ()
    exact: Callable[[], Sequence[Mapping[str, Any]]] | None = None


@dataclass
class Progress:
    """What is known between two pages; as JSON it is both the note of a chunk and the chunk that follows.

    Attributes:
        at: Where the next page begins; None when all is read.
        pages, rows: How many were read.
        total: What the source says it has.
        columns: Every key met, in the order met.
        last: Name of the last row, or digest of the last page: the next page must not begin with it.
        cursor: Newest cursor met, ISO with zone.
        memory: What else a kind remembers.
        anchor, steps, reach: Brent's search for a circle of links, in constant space.
    """

    at: Position | None
    pages: int = 0
    rows: int = 0
    total: int | None = None
    columns: list[str] = field(default_factory=list)
    last: str | None = None
    cursor: str | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    anchor: str = ""
    steps: int = 0
    reach: int = 1

    @classmethod
    def of(cls, chunk: Chunk) -> Progress:
        """Take up where a chunk begins; what the chunk holds is not changed by it."""
        return cls(**json.loads(json.dumps(chunk)))

    def take(self, page: Page, where: str) -> None:
        """Count a page and step on to the next.

        Raises:
            ChangedError: The total is another than on the page before.
            StopError: The next page is one that was read already.
        """
        self.pages += 1
        if self.pages > 1 and page.total != self.total:
            raise changed(where, f"the total went from {self.total} to {page.total} at page {self.pages}")
        self.total = page.total
        self.rows += len(page.records)
        known = set(self.columns)
        strange = [record for record in page.records if not known.issuperset(record)]
        self.columns = list(dict.fromkeys(chain(self.columns, chain.from_iterable(strange))))
        self._step(page.following, where)

    def _step(self, following: Position | None, where: str) -> None:
        self.anchor = self.anchor or digest_of(self.at)
        self.at = following
        if following is None:
            return
        if digest_of(following) == self.anchor:
            raise StopError(where, "a next link that leads back", "one to new rows", "tell the department")
        self.steps += 1
        if self.steps >= self.reach:
            self.anchor, self.steps, self.reach = digest_of(following), 0, 2 * self.reach

    def whole(self, where: str) -> None:
        """Assert that as many rows came as the source says it has.

        Raises:
            ChangedError: More or fewer came.
        """
        if self.total is not None and self.rows != self.total:
            raise changed(where, f"{self.rows} rows came where the total is {self.total}")


class PagedOffer(Offer):
    """An offer whose next page is known only from the page before; a kind says how a page is asked for and read.

    Args:
        request: What is wanted; option `pages_a_chunk`.
        where: How errors name the offer.
    """

    def __init__(self, request: Request, where: str, pages_a_chunk: int) -> None:
        self._request = request
        self._where = where
        self._pages_a_chunk = pages_a_chunk
        self._note: Chunk | None = None

    @abstractmethod
    def first(self) -> Position:
        """Return where the first page begins."""

    @abstractmethod
    def page(self, http: Http, progress: Progress) -> Page:
        """Ask for the page at `progress.at`; whatever must be remembered goes into the progress."""

    @abstractmethod
    def batches(self, page: Page, progress: Progress) -> Iterator[pa.RecordBatch]:
        """Give a page's rows as Arrow, exactly the wanted columns; at least one batch."""

    def begin(self, http: Http, progress: Progress) -> None:
        """Do what a kind must before the first page of a chunk."""

    def finish(self, progress: Progress) -> None:
        """Assert what can be known only after the last page.

        Raises:
            ChangedError: Another number of rows came than the source says it has.
            SetAsideError: `schema_drift`; a wanted column was in no row.
        """
        progress.whole(self._where)
        known = self.available or {}
        missing = [name for name in self._request.fields if not any(n in known for n in self._request.names_of(name))]
        if progress.rows:
            missing_columns(self._where, missing, self._request)

    def types(self, columns: Sequence[str]) -> dict[str, str]:
        """Return the columns the source has, of which these were met, with their types."""
        return dict.fromkeys(columns, "json")

    def plan(self) -> Sequence[Chunk]:
        """Return the first chunk; each next one is known when its predecessor is read."""
        return ({"at": self.first()},)

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        """Stream the pages of a chunk, or all of them; see `Offer.read`."""
        progress = Progress.of(chunk or self.plan()[0])
        self._note = None
        most = None if chunk == WHOLE else progress.pages + self._pages_a_chunk
        with Http(self._where) as http:
            self.begin(http, progress)
            yield from regrouped(self._pages(http, progress, most))
        self.expected_rows = progress.total
        self.available = self.types(progress.columns)
        if progress.at is None:
            self.finish(progress)
        self._note = asdict(progress)

    def note(self, chunk: Chunk) -> Chunk | None:
        """Return how far the chunk just read came; see `Progress`."""
        return self._note

    def after(self, chunk: Chunk, note: Chunk | None) -> Chunk | None:
        """Return the chunk that begins where the one before ended; None after the last page."""
        return note if note and note["at"] is not None else None

    def _pages(self, http: Http, progress: Progress, most: int | None) -> Iterator[pa.RecordBatch]:
        names: set[str] = set()

        def more() -> bool:
            return progress.at is not None and (most is None or progress.pages < most)

        with ThreadPoolExecutor(1, thread_name_prefix="page") as ahead:
            # The next page is on its way while the rows of this one are written.
            coming = ahead.submit(self.page, http, progress) if more() else None
            while coming is not None:
                page = coming.result()
                progress.take(page, self._where)
                self._each_once(page.names, names, progress)
                self._another(page, progress)
                if progress.pages % self._pages_a_chunk == 0:
                    names.clear()  # memory stays flat when all is read in one piece, too
                self._request.pace(len(page.records))
                coming = ahead.submit(self.page, http, progress) if more() else None
                # Else the request would leave only after the rows are read: until then its thread cannot run.
                time.sleep(_LEAVES_SECONDS)
                yield from self.batches(page, progress)

    def _each_once(self, page: Sequence[str], names: set[str], progress: Progress) -> None:
        """A row put in ahead pushes the last row of a page onto the next; over chunks that one name is remembered."""
        before = len(names)
        names.update(page)
        if len(names) - before != len(page) or (page and progress.last in page):
            raise changed(self._where, "a row came twice")
        if page:
            progress.last = page[-1]

    def _another(self, page: Page, progress: Progress) -> None:
        """Two pages in a row that begin and end alike mean a source that does not know the parameters of paging."""
        if page.names or not page.records:
            return
        ends = [shape.hex() if shape else None for shape in (*page.shapes[:1], *page.shapes[-1:])]
        digest = digest_of([len(page.records), page.records[0], page.records[-1], ends])
        if digest == progress.last:
            raise StopError(
                self._where,
                f"page {progress.pages} is the same as the page before",
                "another page for other parameters of paging",
                "correct the names of the paging parameters in the contract's pull",
            )
        progress.last = digest


def changed(where: str, came: str) -> ChangedError:
    """Return the error for a source that changed between two pages."""
    return ChangedError(where, came, "one state of the source over all pages", "pull again from the first page")


def value_of(record: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return a record's value under the first of several names that it has; None where it has none."""
    return next((record[name] for name in names if name in record), None)


def digest_of(value: Any) -> str:
    """Return a short digest of anything JSON-able."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
