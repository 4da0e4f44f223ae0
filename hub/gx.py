"""A Great Expectations session over Parquet, in a DuckDB of its own: what hub.validation runs its suites in.

The library is imported inside the functions: it takes seconds, and only a step that validates should pay for it.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

from hub.contracts import Codelist
from hub.errors import StopError
from hub.settings import Settings
from hub.suites import Expectation

__all__ = ["Session", "argument_faults", "data_docs_site", "session"]


@dataclass(frozen=True)
class Session:
    """One table under validation: the view `rows`, with each row's file as `filename`, and the code lists beside it.

    Attributes:
        tail: Path tail of the table's contract.
        batch: The table as the library knows it.
        database: The library's SQLAlchemy engine.
        rows: How many rows the table has.
    """

    tail: str
    batch: Any
    database: sa.Engine
    rows: int

    def run(
        self, suite: Sequence[Expectation], parameters: Mapping[str, Any], **result_format: Any
    ) -> Mapping[str, Any]:
        """Run expectations and return the library's result of each by its rule id.

        Raises:
            StopError: An expectation could not be evaluated.
        """
        expectations = _library().ExpectationSuite(name=self.tail, expectations=[dict(item) for item in suite])
        answer = self.batch.validate(expectations, expectation_parameters=dict(parameters), result_format=result_format)
        for item in answer.results:
            self._assert_evaluated(item)
        return {item.expectation_config.meta["rule_id"]: item for item in answer.results}

    def _assert_evaluated(self, item: Any) -> None:
        if item.exception_info and item.exception_info.get("raised_exception", True):
            raise StopError(
                where=f"suite {self.tail}, rule {item.expectation_config.meta['rule_id']}",
                came=f"{item.expectation_config.type} could not be evaluated",
                allowed="columns and arguments that the expectation knows",
                do="mend the rule in expectations/, or the contract it is derived from",
            )

    def duckdb(self) -> AbstractContextManager[Any]:
        """Lend the DuckDB connection below one of SQLAlchemy's."""
        return _duckdb(self.database)


@contextmanager
def session(
    tail: str,
    paths: Sequence[Path],
    codelists: Sequence[Codelist],
    settings: Settings,
    base: Mapping[str, Sequence[Path]],
) -> Iterator[Session]:
    """Open a session on the files of one table; all it held is gone when the block ends.

    Args:
        tail: Path tail of the table's contract.
        paths: The table's files, seen as `rows`.
        codelists: Seen as `codelist_<name>`.
        settings: Threads and memory of DuckDB.
        base: Files of base tables, seen as `base_<entity>`.
    """
    sources = _context().data_sources
    # A named memory is shared by the several connections the library opens, and is gone with the last of them.
    name = uuid.uuid4().hex
    source = sources.add_sql(name, connection_string=f"duckdb:///:memory:{name}")
    database = source.get_execution_engine().engine
    sa.event.listen(database, "after_cursor_execute", _buffer)
    with tempfile.TemporaryDirectory(prefix="hub-spill-") as spill:
        try:
            with database.begin() as connection:
                connection.exec_driver_sql(f"SET threads = {settings.threads}")
                connection.exec_driver_sql(f"SET memory_limit = '{settings.memory_limit_mb}MB'")
                connection.exec_driver_sql(f"SET temp_directory = '{spill}'")
            with _duckdb(database) as duck:
                files = duck.read_parquet([str(path) for path in paths], union_by_name=True, filename=True)
                files.create_view("rows")
                for codelist in codelists:
                    codes = pa.table({"code": pa.array(codelist.titles, pa.string())})
                    duck.from_arrow(codes).create(f"codelist_{codelist.name}")
                for entity, parts in base.items():
                    duck.read_parquet([str(path) for path in parts], union_by_name=True).create_view(f"base_{entity}")
            asset = source.add_table_asset("rows", table_name="rows")
            batch = asset.add_batch_definition_whole_table("all").get_batch()
            yield Session(tail, batch, database, sum(pq.read_metadata(path).num_rows for path in paths))
        finally:
            sources.delete(name)
            for engine in (database, source.get_engine()):
                engine.dispose()
                engine.dialect._type_memos.clear()  # else DuckDB's type objects stay as long as the process


@contextmanager
def _duckdb(database: sa.Engine) -> Iterator[Any]:
    connection = database.raw_connection()
    try:
        yield connection.driver_connection
    finally:
        connection.close()


def _buffer(
    connection: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    """Fetch a result at once: the library reads it after it has closed the connection."""
    if cursor.description:
        context.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(cursor, initial_buffer=cursor.fetchall())


@cache
def _library() -> Any:
    """Import Great Expectations once, silenced, with the hub's own expectations registered."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # It would log a failing query with the values in it; a rule that cannot be evaluated raises a StopError anyway.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # theirs, about their own code
        import duckdb_engine  # noqa: F401
        import great_expectations

        from expectations import (  # noqa: F401
            dates,
            divisions,
            geometries,
            identifiers,
            phones,
            relations,
            rows,
            texts,
        )

    atexit.register(_let_go_of_duckdb)
    return great_expectations


@cache
def _context() -> Any:
    """The library's context: nothing on disk, no progress bars."""
    library = _library()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = library.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def data_docs_site(folder: Path) -> tuple[Any, Any]:
    """Return the library's store of results in `folder/results`, and its site builder for `folder`."""
    context = _context()
    from great_expectations.render.renderer.site_builder import SiteBuilder

    backend = {"class_name": "TupleFilesystemStoreBackend", "suppress_store_backend_id": True}
    name = f"results {folder}"
    store = context.add_store(
        name,
        {"class_name": "ValidationResultsStore", "store_backend": {**backend, "base_directory": f"{folder}/results"}},
    )
    view = {"module_name": "hub.gx_view"}
    builder = SiteBuilder(
        context,
        store_backend={**backend, "base_directory": str(folder)},
        site_name="数据质量 Data Docs",
        show_how_to_buttons=False,
        site_index_builder={"class_name": "DefaultSiteIndexBuilder", "view": {**view, "class_name": "IndexView"}},
        site_section_builders={
            "validations": {"source_store_name": name, "view": {**view, "class_name": "PageView"}},
            "expectations": "None",
            "profiling": "None",
        },
    )
    return store, builder


def argument_faults(kind: str, arguments: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with an expectation as YAML names it, without evaluating it: its type, its arguments."""
    _library()
    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    try:
        get_expectation_impl(kind)(**arguments)
    except ExpectationNotFoundError:
        return [f"type {kind!r} is unknown; see expectations/*.py and the gallery of Great Expectations"]
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return []


def _let_go_of_duckdb() -> None:
    """Drop what keeps DuckDB's objects alive past the interpreter: its binding would list them all on stderr."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "duckdb_engine":
            vars(sys.modules[name]).clear()
