"""Kind `rest`: paged services over HTTP and JSON, whole or what changed since the last pull."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from connectors.base import Chunk, Connection, Offer, Outgoing, Receipt, Request
from connectors.errors import StopError
from connectors.http import Http
from connectors.options import options_of
from connectors.rest_answers import Answer, records_of, total_of
from connectors.rest_calls import Caller
from connectors.rest_chunks import Page, PagedOffer, Position, Progress, value_of
from connectors.rest_options import CHINA, Pull, Verify
from connectors.rest_paging import first_position, link_position, next_position, page_params
from connectors.rest_platform import decrypt_secret, sign
from connectors.rest_push import push
from connectors.rest_verify import Verified, VerifyStore, verify_each
from connectors.rows import as_text, quick_columns, text_columns

__all__ = ["RestConnector", "decrypt_secret", "sign"]

_FIRST_YEAR: Final = 1900
"""Before it no row of a system changed: an earlier cursor stands for none."""


class RestConnector:
    """Reads bulk services page by page, verifies one person at a time, writes rows.

    Args:
        connection: `place` is the services' address; option `auth` says how calls are signed, with `secret`.

    Raises:
        StopError: The place is no web address, or `auth` is wrong.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._caller = Caller(connection)

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer one batch: all the service has, or what is new since the mark less the overlap.

        Raises:
            StopError: An option is missing, unknown or wrong; an increment names no `cursor` and `since_param`.
        """
        pull = options_of(Pull, request, self._caller.auth.defaults)
        yield _RestOffer(self._caller, request, pull, mark)

    def verify(
        self, request: Request, questions: Iterable[tuple[str, Mapping[str, str]]], store: VerifyStore, secret: bytes
    ) -> Iterator[Verified]:
        """Verify one person or unit after another; see `connectors.rest_verify.verify_each`."""
        options = options_of(Verify, request, self._caller.auth.defaults)
        return verify_each(self._caller, request, options, questions, store, secret)

    def write(self, outgoing: Outgoing, rows: Iterable[pa.RecordBatch]) -> Receipt:
        """Write rows in pages; see `connectors.rest_push.push`."""
        return push(self._caller, self._connection, outgoing, rows)


class _RestOffer(PagedOffer):
    """All pages of one service, or of what is new in it."""

    def __init__(self, caller: Caller, request: Request, pull: Pull, mark: dict[str, Any] | None) -> None:
        super().__init__(request, f"{request.tail}, {pull.title}", pull.pages_a_chunk)
        self._caller = caller
        self._pull = pull
        self._reached = datetime.fromisoformat(mark["cursor"]) if mark and request.mode == "increment" else None
        self._since = self._reached and self._reached - timedelta(hours=pull.overlap_hours)
        if self._since is not None and request.since is not None:
            # A backfill that began later than the last pull ended would leave rows out for good.
            self._since = min(self._since, _aware(request.since))
        title = pull.service or pull.path
        self.name = f"{title} from {self._since.isoformat()}" if self._since else f"{title} all pages"

    def first(self) -> Position:
        """Return the first page."""
        return first_position(self._pull)

    def page(self, http: Http, progress: Progress) -> Page:
        """Ask for a page; see `PagedOffer.page`."""
        pull, at = self._pull, progress.at or {}
        values = page_params(pull, at)
        if self._since is not None and "query" not in at:
            values[pull.since_param] = _written(self._since, pull.since_format)
        answer = self._caller.call(http, pull, values, at)
        records = records_of(answer.body, pull.records, self._where)
        total = total_of(answer.body, pull.total, self._where)
        following = next_position(pull, at, answer, len(records), progress.rows + len(records), total)
        if following and "link" in following:
            asked, own = self._caller.address(pull), self._caller.auth.parameters
            following = link_position(following["link"], asked, own, self._where)
        self._reach(records, answer, progress)
        exact = answer.exact
        return Page(records, total, following, exact=exact and (lambda: records_of(exact(), pull.records, self._where)))

    def batches(self, page: Page, progress: Progress) -> Iterator[pa.RecordBatch]:
        """Give the rows as text; what is no scalar is JSON."""
        quick = quick_columns(page.records, self._request)
        yield text_columns(page.exact() if page.exact else page.records, self._request) if quick is None else quick

    def mark(self, notes: Sequence[Chunk | None] = ()) -> dict[str, Any] | None:
        """Return the newest cursor of all chunks, never later than the server's own clock, never before the last."""
        told = [datetime.fromisoformat(note["cursor"]) for note in notes if note and note.get("cursor")]
        reached = max([*told, *([self._reached] if self._reached else [])], default=None)
        return {"cursor": reached.isoformat()} if reached and self._request.mode == "increment" else None

    def _reach(self, records: Sequence[Mapping[str, Any]], answer: Answer, progress: Progress) -> None:
        """Keep the newest cursor: a clock that runs ahead at the source must not make later rows invisible."""
        if self._request.mode != "increment":
            return
        names = self._request.names_of(self._pull.cursor)
        texts = [as_text(value) for record in records if (value := value_of(record, names)) not in (None, "")]
        moments = [moment for text in texts if (moment := _read(str(text), self._pull.cursor_format)) is not None]
        if texts and not moments:
            raise StopError(
                self._where,
                f"no cursor {self._pull.cursor!r} of the form {self._pull.cursor_format!r}",
                "times in the form that the contract says",
                "correct `cursor` or `cursor_format` in the contract's pull",
            )
        if moments:
            latest = min(max(moments), answer.moment or datetime.now(UTC))
            known = datetime.fromisoformat(progress.cursor) if progress.cursor else latest
            progress.cursor = max(latest, known).isoformat()


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=CHINA)


def _read(text: str, form: str) -> datetime | None:
    """A time as a row tells it; one without zone is China's. None where it has another form or is 0001-01-01."""
    try:
        if form in ("ms", "s"):
            return datetime.fromtimestamp(int(text) / (1000 if form == "ms" else 1), UTC)
        moment = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
    except (ValueError, OverflowError, OSError):
        return None
    return _aware(moment) if moment.year >= _FIRST_YEAR else None


def _written(moment: datetime, form: str) -> str:
    if form in ("ms", "s"):
        return str(int(moment.timestamp() * (1000 if form == "ms" else 1)))
    local = moment.astimezone(CHINA)
    return local.isoformat() if form == "iso" else local.strftime(form)
