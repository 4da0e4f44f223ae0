"""The scorecard as a page and as JSON: one file each, complete in itself, with counts and no value of any row."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from hub.context import CHINA, Hub
from hub.scorecard import DIMENSIONS, DatasetScore, Rate, Scorecard, month_of, scorecard
from hub.store import write_atomically

__all__ = ["STYLE_SOURCE", "page", "to_dict", "write_last_month", "write_scorecards"]

_STYLE: Final = """
:root{color-scheme:light dark;--good:#1b7f4b;--fair:#b7791f;--poor:#b3261e;--dull:#8a97a0;--line:#c9d3da}
body{margin:0;font:16px/1.5 "PingFang SC","Microsoft YaHei","Noto Sans CJK SC",system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem 1.25rem 2rem}
h1{font-size:1.5rem;margin:.5rem 0 0}h2{font-size:1.125rem;margin:1.5rem 0 .5rem}
small,.sub{color:var(--dull);font-weight:400}.sub{margin:.125rem 0}
.figures{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:0}.figures dd{margin:0;font-size:1.375rem;font-weight:600}
table{width:100%;border-collapse:collapse;font-size:.875rem}
th,td{padding:.25rem .5rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;font-size:14px}svg text{fill:currentColor}
.track{fill:var(--line);opacity:.4}.good{fill:var(--good)}.fair{fill:var(--fair)}
.poor{fill:var(--poor)}.dull{fill:var(--dull)}
@media print{main{padding:0}}
"""

STYLE_SOURCE: Final = f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
"""What a Content-Security-Policy must allow under `style-src` for the page to be shown as it is."""

_FAIR, _GOOD = 0.95, 0.99


def write_scorecards(hub: Hub, month: str, system: str | None, folder: Path, actor: str) -> list[Path]:
    """Write `<system>_<month>.html` and `.json` for one department or all; return the files.

    Raises:
        StopError: The month is none.
        ConfigurationError: No department is called so.
    """
    chosen = month_of(month)
    cards = [scorecard(hub, name, chosen) for name in ([system] if system else hub.contracts.systems)]
    written = []
    for card in cards:
        for suffix, text in ((".html", page(card)), (".json", json.dumps(to_dict(card), ensure_ascii=False, indent=1))):
            path = folder / f"{card.system}_{card.month}{suffix}"
            write_atomically(path, text.encode())
            written.append(path)
    hub.ledger.audit("scorecards_written", actor, {"month": month, "systems": [card.system for card in cards]})
    return written


def write_last_month(hub: Hub, actor: str) -> list[Path]:
    """Write every department's scorecard of the month before the present one into the lake, once; return the files.

    They are in `docs/scorecards/<month>/`, and stay as they were written first: at the end of the month.
    """
    month = f"{datetime.now(CHINA).date().replace(day=1) - timedelta(days=1):%Y-%m}"
    folder = hub.lake.root / "docs" / "scorecards" / month
    missing = [name for name in hub.contracts.systems if not (folder / f"{name}_{month}.json").is_file()]
    return [path for name in missing for path in write_scorecards(hub, month, name, folder, actor)]


def page(card: Scorecard) -> str:
    """The scorecard as HTML, without a script and with its style inside."""
    figures = [
        ("批次", "batches", card.total("batches")),
        ("到达行数", "landed", card.total("landed")),
        ("入库", "accepted", card.total("accepted")),
        ("暂存", "quarantined", card.total("quarantined")),
        ("重复", "duplicate", card.total("duplicate")),
        ("待改正", "open", card.waiting.open),
        ("已改正", "corrected", card.waiting.corrected),
    ]
    stacks = [(one, _stack(one)) for one in card.datasets]
    bars = [_bar(title, card.rates[name]) for name, title in DIMENSIONS.items()]
    return _template().render(
        card=card,
        style=Markup(_STYLE),  # noqa: S704  our own; an escaped quotation mark in it would be another style
        figures=figures,
        bars=bars,
        stacks=stacks,
        dimensions=DIMENSIONS,
        percent=_percent,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(Path(__file__).with_name("scorecard.html").read_text(encoding="utf-8"))


def _percent(rate: Rate) -> str:
    return "—" if rate.share is None else f"{rate.share:.1%}"


def _bar(title: str, rate: Rate) -> dict[str, Any]:
    share = rate.share
    level = "poor" if share is None or share < _FAIR else "fair" if share < _GOOD else "good"
    return {"title": title, "width": share, "text": _percent(rate), "level": level}


def _stack(one: DatasetScore) -> list[tuple[str, float, float]]:
    """Parts of a dataset's bar: colour, start and width as shares."""
    parts, start = [], 0.0
    for level, rows in (("good", one.accepted), ("dull", one.duplicate), ("poor", one.quarantined)):
        width = rows / one.landed if one.landed else 0.0
        parts.append((level, start, width))
        start += width
    return parts


def to_dict(card: Scorecard) -> dict[str, Any]:
    """The scorecard for programs; docs/scorecard.md names every key."""
    counts = ("batches", "withheld", "held", "landed", "accepted", "quarantined", "duplicate", "corrected")
    return {
        "system": card.system,
        "title": card.title,
        "month": card.month,
        "made_at": card.made_at.isoformat(),
        **{name: card.total(name) for name in counts},
        "quarantine": vars(card.waiting),
        "dimensions": _rates(card.rates),
        "datasets": [
            {
                "dataset": one.tail,
                "title": one.title,
                "cycle": one.cycle,
                **{name: getattr(one, name) for name in counts},
                "quarantine": vars(one.waiting),
                "dimensions": _rates(one.rates),
            }
            for one in card.datasets
        ],
        "reasons": [vars(one) for one in card.reasons],
    }


def _rates(rates: Any) -> dict[str, Any]:
    return {
        name: {"title": DIMENSIONS[name], "share": rate.share, "faulty": rate.faulty, "of": rate.of}
        for name, rate in rates.items()
    }
