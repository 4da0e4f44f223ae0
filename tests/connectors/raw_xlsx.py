"""A workbook written as its bare XML, so that a test says itself what stands in it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def raw_xlsx(
    path: Path,
    rows: str | Iterable[str],
    *,
    texts: str | Iterable[str] = "",
    styles: str = "",
    properties: str = "",
    target: str = "worksheets/sheet1.xml",
    others: dict[str, str] | None = None,
) -> Path:
    """Write a workbook of one sheet, 名册.

    Args:
        path: Where to.
        rows: What stands in `sheetData`.
        texts: The shared strings, `<si>…</si>`.
        styles: What stands in the style sheet.
        properties: `<workbookPr …/>`.
        target: How the workbook names the sheet's part.
        others: Further parts, or other contents of those above.
    """
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEETS}" xmlns:r="{_RELATIONS}">{properties}'
        '<sheets><sheet name="名册" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_RELATIONS}/worksheet" Target="{target}"/></Relationships>',
        **({"xl/styles.xml": f'<styleSheet xmlns="{SHEETS}">{styles}</styleSheet>'} if styles else {}),
        **(others or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        if texts:
            _stream(archive, "xl/sharedStrings.xml", "sst", texts)
        if "xl/worksheets/sheet1.xml" not in parts:
            _stream(archive, "xl/worksheets/sheet1.xml", "worksheet", rows, "<sheetData>", "</sheetData>")
    return path


def _stream(archive: zipfile.ZipFile, name: str, root: str, content: str | Iterable[str], *around: str) -> None:
    first, last = around or ("", "")
    with archive.open(name, "w") as part:
        part.write(f'<{root} xmlns="{SHEETS}">{first}'.encode())
        for piece in [content] if isinstance(content, str) else content:
            part.write(piece.encode())
        part.write(f"{last}</{root}>".encode())
