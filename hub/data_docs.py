"""Great Expectations' Data Docs of the hub: a page for each verdict, all runs on one site, no value of any row in it.

The site is plain HTML under `<lake>/docs/`; nothing in it is fetched from elsewhere. Verdicts are those that steps 3, 5
and 7 leave in the lake, so the pages can be built at any time, by whoever comes first.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.context import Hub
from hub.errors import StopError
from hub.gx import data_docs_site
from hub.ledger import now
from hub.store import write_atomically
from hub.suites import HUB

__all__ = ["KEEP_RUNS", "build_docs", "docs_folder", "page_links"]

KEEP_RUNS = 60
"""How many runs the site shows, a good week: the index reads every verdict it lists, some ten milliseconds each."""

_FIRST_RUN = 500
"""A hub that has long run without the site begins with so many of its newest verdicts."""

_PATIENCE = 120.0
"""Seconds to wait for another process that adds its own pages: departments are pulled side by side."""

_LATE_NS = 60 * 1_000_000_000
"""A verdict may be written before, and be seen after, one that is newer: so far back they are looked for by name."""

_SEVERITIES = {"critical": "严重", "warning": "提示", "info": "参考"}


@dataclass(frozen=True)
class _Verdict:
    """A verdict's file.

    Attributes:
        name: What the page is called: the batch, or the table and its version.
    """

    tail: str
    name: str
    written_ns: int
    content: Mapping[str, Any]


def docs_folder(hub: Hub) -> Path:
    """Where the site is: `index.html` and all beneath it."""
    return hub.lake.root / "docs"


def build_docs(hub: Hub, keep: int = KEEP_RUNS) -> int:
    """Add a run with a page for every verdict written since the last one; return how many pages were added.

    Only new pages are made; those of runs beyond the last `keep` are removed.

    Raises:
        RetryError: Another process is building the site and does not come to an end.
        StopError: The library could not write a page.
    """
    with hub.ledger.locked("data docs", _PATIENCE):
        state: dict[str, Any] = json.loads(_state(hub).read_bytes()) if _state(hub).is_file() else {"written_ns": 0}
        lately = state.get("lately", {})
        found = _verdicts(hub, state["written_ns"] - _LATE_NS)
        fresh = sorted((one for one in found if lately.get(one.name) != one.written_ns), key=_by_age)
        if not fresh:
            return 0
        site, newest = _Site(hub, keep), max(state["written_ns"], fresh[-1].written_ns)
        site.add(fresh[-_FIRST_RUN:], now())
        (docs_folder(hub) / "static").mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("gx_pages") / "docs.css", docs_folder(hub) / "static" / "docs.css")
        lately |= {one.name: one.written_ns for one in fresh}
        lately = {name: written for name, written in lately.items() if written > newest - _LATE_NS}
        write_atomically(_state(hub), json.dumps({"written_ns": newest, "lately": lately}).encode())
    return len(fresh[-_FIRST_RUN:])


def page_links(hub: Hub, part: str, since: datetime) -> dict[str, str]:
    """The addresses, at the portal, of the newest pages of verdicts written since a moment.

    Args:
        hub: The opened hub.
        part: First part of the tails: a department's short name, `base` or `products`.
        since: Verdicts from then on.

    Returns:
        Name of the batch, or of the table and its version -> address.
    """
    links = {}
    for verdict in sorted(_verdicts(hub, int(since.timestamp() * 1e9)), key=_by_age):
        pages = sorted((docs_folder(hub) / "validations" / verdict.tail).glob(f"*/*/{verdict.name}.html"))
        if verdict.tail.startswith(f"{part}/") and pages:
            page = pages[-1].relative_to(docs_folder(hub)).as_posix()
            links[verdict.name] = f"{hub.settings.public_url.rstrip('/')}/quality/docs/{page}"
    return links


def _state(hub: Hub) -> Path:
    return docs_folder(hub) / "built.json"


def _by_age(verdict: _Verdict) -> tuple[int, str]:
    return verdict.written_ns, verdict.tail


def _verdicts(hub: Hub, since_ns: int) -> Iterator[_Verdict]:
    """Verdicts in the lake written after a moment."""
    for pattern in ("3-checked/*/*/*/verdict.json", "5-base/*.verdict.json", "7-products/*.verdict.json"):
        for path in hub.lake.root.glob(pattern):
            written = path.stat().st_mtime_ns
            content = json.loads(path.read_bytes()) if written > since_ns else {}
            # Verdicts of hubs before this site did not say what each rule was asked.
            if content and all("kwargs" in finding for finding in content["expectations"]):
                yield _Verdict(content["tail"], _name(content), written, content)


def _name(content: Mapping[str, Any]) -> str:
    return str(content.get("batch") or f"{content['tail'].replace('/', '.')}.v{content['version']}")


class _Site:
    """The library's site builder over its own store of results, both in the docs folder."""

    def __init__(self, hub: Hub, keep: int) -> None:
        self.hub = hub
        self.keep = keep
        self.store, self.builder = data_docs_site(docs_folder(hub))

    def add(self, verdicts: Iterable[_Verdict], moment: datetime) -> None:
        """Store results of one run, write their pages, forget the oldest runs and write the index."""
        from great_expectations.core.run_identifier import RunIdentifier

        run = RunIdentifier(run_name=f"{moment:%Y%m%dT%H%M%SZ}", run_time=moment)
        keys = []
        for verdict in verdicts:
            key = self._key(verdict, run)
            self.store.set(key, self._result(verdict, run))
            keys.append(key)
        self.builder.site_section_builders["validations"].build(resource_identifiers=keys)
        self._assert_written(keys)
        self._forget()
        self.builder.site_index_builder.build()

    def _key(self, verdict: _Verdict, run: Any) -> Any:
        from great_expectations.data_context.types.resource_identifiers import (
            ExpectationSuiteIdentifier,
            ValidationResultIdentifier,
        )

        suite = ExpectationSuiteIdentifier(name=verdict.tail.replace("/", "."))
        return ValidationResultIdentifier(suite, run, verdict.name)

    def _result(self, verdict: _Verdict, run: Any) -> Any:
        """The verdict in the library's own shape; of rows it has counts alone."""
        from great_expectations.core import ExpectationSuiteValidationResult

        results = [self._one(finding) for finding in verdict.content["expectations"]]
        passed = sum(1 for result in results if result.success)
        return ExpectationSuiteValidationResult(
            success=passed == len(results),
            results=results,
            suite_name=verdict.tail.replace("/", "."),
            suite_parameters={},
            statistics={
                "evaluated_expectations": len(results),
                "successful_expectations": passed,
                "unsuccessful_expectations": len(results) - passed,
                "success_percent": 100 * passed / len(results) if results else None,
            },
            meta={"run_id": run, "batch_spec": {"data_asset_name": self._title(verdict.tail)}},
        )

    def _title(self, tail: str) -> str:
        contracts = self.hub.contracts
        name = tail.partition("/")[2]
        contract = contracts.sources.get(tail) or contracts.base.get(name) or contracts.products.get(name)
        return contract.title if contract else tail

    def _one(self, finding: Mapping[str, Any]) -> Any:
        from great_expectations.core import ExpectationValidationResult
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

        evaluated, unexpected = finding["evaluated"], finding["unexpected"]
        asked = ExpectationConfiguration(
            type=finding["type"],
            kwargs=dict(finding["kwargs"]),
            meta={name: finding[name] for name in ("rule_id", "clause", "acts")},
            severity=finding["severity"],
            description=self._words(finding),
        )
        return ExpectationValidationResult(
            success=finding["success"],
            expectation_config=asked,
            result={
                "element_count": evaluated,
                "unexpected_count": unexpected,
                "unexpected_percent": 100 * unexpected / evaluated if evaluated else 0.0,
            },
            exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
        )

    def _words(self, finding: Mapping[str, Any]) -> str:
        system = self.hub.contracts.systems.get(finding["acts"])
        acts = "数据中枢" if finding["acts"] == HUB else system.title if system else finding["acts"]
        return f"{finding['title']}（{_SEVERITIES[finding['severity']]}；{finding['clause']}；{acts}）"

    def _assert_written(self, keys: Iterable[Any]) -> None:
        """The library logs what it could not render, and goes on."""
        for key in keys:
            page = docs_folder(self.hub).joinpath("validations", *key.to_tuple())
            if not page.with_name(f"{page.name}.html").is_file():
                raise StopError(
                    where=f"data docs of {key.batch_identifier}",
                    came="Great Expectations wrote no page for it",
                    allowed="a page for each verdict",
                    do="check its suite by hub check-config, then build the pages again",
                )

    def _forget(self) -> None:
        """Remove the results of runs beyond the last ones; the index takes their pages away."""
        keys = self.store.list_keys()
        runs = sorted({key.run_id.run_time for key in keys}, reverse=True)
        for key in keys:
            if key.run_id.run_time not in runs[: self.keep]:
                self.store.remove_key(key)
