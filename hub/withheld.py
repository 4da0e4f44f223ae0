"""Deliveries set aside whole, told to their department: what was wrong with each, and what to do, in Chinese."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hub.context import CHINA, Hub
from hub.contracts import SourceContract
from hub.ledger import Batch
from hub.ledger.repeats import Repeat, repeats
from hub.reasons import Reason

__all__ = ["OUTCOME", "SHEET", "WithheldDelivery", "reason_of", "told", "withheld_deliveries", "write_sheet"]

OUTCOME: Final = "整批暂存，未入库"
SHEET: Final = "整批退回"
"""Name of the form's sheet that lists them."""

_HOW: Final = "以下报送整批未入库，请按建议处理后重新报送。本表供查看，无需填写。"
_WIDTHS: Final[Mapping[str, int]] = {
    "数据集": 20,
    "批次": 36,
    "报送": 32,
    "收到时间": 18,
    "问题代码": 18,
    "问题说明": 32,
}
_REASONS: Final = {str(reason): reason for reason in Reason}


@dataclass(frozen=True)
class WithheldDelivery:
    """One delivery that was set aside whole and has not been sent anew.

    Attributes:
        offer: What the department called it: a file, a slice of a table.
        code: The reason code.
        detail: What was met, as the program says it.
    """

    contract: SourceContract
    batch: str
    offer: str
    received: str
    code: str
    meaning: str
    action: str
    detail: str

    @property
    def cells(self) -> dict[str, str]:
        """The delivery as a line of the department's list."""
        return {
            "数据集": self.contract.title,
            "批次": self.batch,
            "报送": self.offer,
            "收到时间": self.received,
            "问题代码": self.code,
            "问题说明": self.meaning,
            "处理结果": OUTCOME,
            "建议": self.action,
            "详情": self.detail,
        }


def reason_of(note: str) -> tuple[str, Reason | None, str]:
    """Take a batch's note apart: its reason code, the reason where the code is known, and what was met."""
    code, _, detail = note.partition(": ")
    return code, _REASONS.get(code), detail


def told(note: str) -> str:
    """A batch's note for people: what it means and what to do, in Chinese, then the note itself."""
    reason = reason_of(note)[1]
    return f"{reason.meaning}；{reason.action} / {note}" if reason else note


def withheld_deliveries(hub: Hub, contracts: Iterable[SourceContract]) -> list[WithheldDelivery]:
    """The deliveries of these datasets that still wait to be sent anew, the oldest of each first.

    One that came again under its name, or whose list has since come anew, waits no longer.
    """
    twice = repeats(hub.database)
    return [one for contract in contracts for one in _of_dataset(hub, contract, twice)]


def _of_dataset(hub: Hub, contract: SourceContract, twice: Iterable[Repeat]) -> Iterator[WithheldDelivery]:
    batches = hub.ledger.batches(contract.tail)
    # Sent anew, it may say what another delivery has said: then there is no batch of it.
    again = [(one.offer, one.at) for one in twice if one.tail == contract.tail]
    for place, batch in enumerate(batches):
        if batch.state != "withheld" or any(_replaces(later, batch, contract) for later in batches[place + 1 :]):
            continue
        if any(offer == batch.offer and at > batch.pulled_at for offer, at in again):
            continue
        code, reason, detail = reason_of(batch.note)
        yield WithheldDelivery(
            contract=contract,
            batch=batch.id,
            offer=batch.offer,
            received=f"{batch.pulled_at.astimezone(CHINA):%Y-%m-%d %H:%M}",
            code=code,
            meaning=reason.meaning if reason else code,
            action=reason.action if reason else Reason.DELIVERY_UNUSABLE.action,
            detail=detail,
        )


def _replaces(later: Batch, batch: Batch, contract: SourceContract) -> bool:
    """Whether a later batch is the delivery sent anew; the same offer, withheld once more, is told by its newest."""
    if later.offer == batch.offer:
        return later.state != "pulling"
    return contract.mode == later.mode == "snapshot" and later.state not in ("withheld", "pulling")


def write_sheet(book: Any, deliveries: Sequence[WithheldDelivery]) -> Any:
    """Add the sheet of withheld deliveries to a form's workbook of xlsxwriter; return the sheet.

    Its second row is empty: that tells the reader of a form that nothing in it comes back.
    """
    caption = book.add_format({"bold": True, "font_size": 12})
    head = book.add_format({"bold": True, "bg_color": "#DCE9F5", "border": 1})
    cell = book.add_format({"valign": "top", "text_wrap": True})
    sheet = book.add_worksheet(SHEET)
    sheet.protect("", {"autofilter": True, "sort": True, "format_columns": True, "format_rows": True})
    sheet.freeze_panes(3, 0)
    for column, name in enumerate(deliveries[0].cells):
        sheet.set_column(column, column, _WIDTHS.get(name, 40))
    sheet.write_string(0, 0, _HOW, caption)
    for column, name in enumerate(deliveries[0].cells):
        sheet.write_string(2, column, name, head)
    for line, one in enumerate(deliveries, 3):
        for column, text in enumerate(one.cells.values()):
            sheet.write_string(line, column, text, cell)
    return sheet
