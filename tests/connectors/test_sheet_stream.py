"""Large sheets as a stream: what calamine reads in them, within a bounded memory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from connectors import xml_stream
from connectors.cells import cell_text
from connectors.sheet_stream import NoSheetError, streamed_rows
from connectors.xml_stream import XmlError
from hub.settings import ROOT
from tests.connectors.raw_xlsx import raw_xlsx

Cells = list[str | None]
FORMATS = ["General", "yyyy-mm-dd", 'yyyy"年"m"月"', "[h]:mm:ss", "0.00", "[Red]hh:mm AM/PM"]
BUILT_IN = [0, 14, 22, 27, 31, 45, 46, 49, 57]


def streamed(path: Path, sheet: str | None = None) -> list[Cells]:
    with zipfile.ZipFile(path) as archive:
        return list(streamed_rows(archive, sheet))


def whole(path: Path) -> list[Cells]:
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows()
    return [[cell_text(value) for value in row] for row in rows]


def trimmed(rows: list[Cells]) -> list[Cells]:
    """Without the blank cells at the right and the blank rows at the foot, of which calamine makes a rectangle."""
    found = [row[: max((place + 1 for place, cell in enumerate(row) if cell is not None), default=0)] for row in rows]
    while found and not found[-1]:
        found.pop()
    return found


def one(path: Path, cell: str, **parts: Any) -> str | None:
    ((text,),) = streamed(raw_xlsx(path, f'<row r="1">{cell}</row>', **parts))
    return text


def styles_of(formats: list[str], built_in: list[int]) -> str:
    own = "".join(
        f'<numFmt numFmtId="{200 + number}" formatCode="{escape(code)}"/>' for number, code in enumerate(formats)
    )
    numbers = [200 + number for number in range(len(formats))] + built_in
    return (
        f'<numFmts count="{len(formats)}">{own}</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        "<cellXfs>" + "".join(f'<xf numFmtId="{number}"/>' for number in numbers) + "</cellXfs>"
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
PLAIN = TEXT | st.sampled_from(["_x000A_", "_x005F_x0041_", "_x4E00_", " 张　三 ", "a_x000d_", "0012"])
NUMBER = st.integers(-100, 3_000_000) | st.floats(-1000, 3_000_000) | st.floats(0, 1) | st.floats(-1e6, 1e7)


@st.composite
def cells(draw: st.DrawFn) -> tuple[str, list[str]]:
    """One cell's XML but for its place, with the shared strings it needs."""
    kind = draw(st.sampled_from(["n", "n", "s", "inlineStr", "str", "b", "e", "d", "blank", "rich"]))
    text = escape(draw(PLAIN))
    style = draw(st.integers(0, len(FORMATS) + len(BUILT_IN)))
    space = draw(st.sampled_from(["", ' xml:space="preserve"']))
    values = {
        "n": f'<c R s="{style}"><v>{draw(NUMBER)!r}</v></c>',
        "s": '<c R t="s"><v>N</v></c>',
        "inlineStr": f'<c R t="inlineStr"><is><t{space}>{text}</t></is></c>',
        "str": f'<c R t="str"><f>A1</f><v>{text}</v></c>',
        "b": f'<c R t="b"><v>{draw(st.integers(0, 1))}</v></c>',
        "e": '<c R t="e"><v>#N/A</v></c>',
        "d": f'<c R t="d"><v>{draw(st.dates() | st.datetimes()).isoformat()}</v></c>',
        "blank": f'<c R s="{style}"/>',
        "rich": '<c R t="s"><v>N</v></c>',
    }
    runs = f'<r><t{space}>{text}</t></r><rPh sb="0" eb="1"><t>pinyin</t></rPh><r><t>二</t></r>'
    shared = {"s": f"<t{space}>{text}</t>", "rich": runs}
    return values[kind], [f"<si>{shared[kind]}</si>"] if kind in shared else []


def letters(place: int) -> str:
    return chr(65 + place) if place < 26 else letters(place // 26 - 1) + letters(place % 26)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    rows=st.lists(st.dictionaries(st.integers(0, 30), cells(), max_size=5), max_size=5),
    gap=st.integers(0, 3),
    from_1904=st.booleans(),
    told=st.booleans(),
)
def test_every_cell_says_what_calamine_says(
    tmp_path: Path, rows: list[dict[int, tuple[str, list[str]]]], gap: int, from_1904: bool, told: bool
) -> None:
    texts: list[str] = []
    lines = ["<row><c><v>1</v></c></row>"]  # without it calamine leaves out the blank columns at the left
    for number, row in enumerate(rows):
        at = 2 + number * (gap + 1)
        line = ""
        for place, (cell, shared) in sorted(row.items()):
            where = f'r="{letters(place)}{at}"' if told else ""
            line += cell.replace("R", where, 1).replace(">N<", f">{len(texts)}<")
            texts += shared
        lines.append(f'<row r="{at}">{line}</row>' if told else f"<row>{line}</row>")
    path = raw_xlsx(
        tmp_path / "f.xlsx",
        "".join(lines),
        texts="".join(texts) or "<si><t>x</t></si>",
        styles=styles_of(FORMATS, BUILT_IN),
        properties='<workbookPr date1904="1"/>' if from_1904 else "",
    )
    assert trimmed(streamed(path)) == trimmed(whole(path))


PIECES = (
    *("yyyy", "mm", "d", "hh", "ss", ".000", "-", "/", ":", ";", "@", "0.00", "#,##0", "E+00", "General", "aaaa", "年"),
    *('"年"', '"d"', '"m', "\\d", "\\年", "_d", "*m", "[Red]", "[$-804]", "[DBNum1]", "[>=100]", "[h]", "[MM]", "[ss]"),
    *("AM/PM", "A/P", "上午/下午", "[$-F400]"),
)
CODES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(codes=st.lists(CODES, min_size=1, max_size=10))
def test_formats_make_dates_where_calamine_says_so(tmp_path: Path, codes: list[str]) -> None:
    row = "".join(f'<c s="{style}"><v>44927.5</v></c>' for style in range(len(codes)))
    path = raw_xlsx(tmp_path / "f.xlsx", f"<row>{row}</row>", styles=styles_of(codes, []))
    assert streamed(path) == whole(path)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="A1"><v>320305199001010011</v></c>', "320305199001010000"),  # what a workbook's numbers can hold
        ('<c r="A1"><v>1_0</v></c>', "1_0"),
        ('<c r="A1"><v>abc</v></c>', "abc"),
        ('<c r="A1"><v>1e300</v></c>', "1" + "0" * 300),
        ('<c r="A1" s="1"><v>1e300</v></c>', "1" + "0" * 300),
        ('<c r="A1" s="3"><v>1e300</v></c>', "1" + "0" * 300),
        ('<c r="A1" s="1"><v>nan</v></c>', "NaN"),
        ('<c r="A1" s="3"><v>inf</v></c>', "Infinity"),
        ('<c r="A1" t="str"><v><![CDATA[a<b]]></v></c>', "a<b"),
        ('<c r="A1" t="str"><v>a<!-- x -->b</v></c>', "ab"),
        ('<c r="A1"><extLst/><v>1</v></c><extLst/>', "1"),
        ('<c r="A1" t="inlineStr"/>', None),
        ('<c r="A1" t="b"><v>true</v></c>', "true"),
    ],
)
def test_what_calamine_does_not_tell(tmp_path: Path, cell: str, text: str | None) -> None:
    assert one(tmp_path / "f.xlsx", cell, styles=styles_of(FORMATS, [])) == text


def test_names_of_parts_are_taken_as_they_come(tmp_path: Path) -> None:
    row = '<row r="1"><c r="A1"><v>1</v></c></row>'
    for target in ("worksheets/sheet1.xml", "/xl/worksheets/sheet1.xml", "./worksheets/../worksheets/Sheet1.XML"):
        assert streamed(raw_xlsx(tmp_path / "f.xlsx", row, target=target)) == [["1"]]


def test_prefixes_of_namespaces_make_no_difference(tmp_path: Path) -> None:
    sheet = (
        '<x:worksheet xmlns:x="http://purl.oclc.org/ooxml/spreadsheetml/main"><x:sheetData><x:row r="2">'
        '<x:c r="B2" t="inlineStr"><x:is><x:t>张三</x:t></x:is></x:c></x:row></x:sheetData></x:worksheet>'
    )
    assert streamed(raw_xlsx(tmp_path / "f.xlsx", "", others={"xl/worksheets/sheet1.xml": sheet})) == [
        [],
        [None, "张三"],
    ]


def test_sheet_is_found_by_its_name(tmp_path: Path) -> None:
    path = raw_xlsx(tmp_path / "f.xlsx", '<row><c t="inlineStr"><is><t>a</t></is></c></row>')
    assert streamed(path, "名册") == [["a"]]
    with pytest.raises(NoSheetError):
        streamed(path, "另一页")


LAUGHS = '<!DOCTYPE a [<!ENTITY b "张三">]>'


@pytest.mark.parametrize(
    ("parts", "came"),
    [
        ({"rows": '<row r="2"/><row r="1"/>'}, "rows out of order, or beyond the last a sheet can have"),
        ({"rows": '<row r="1048577"/>'}, "rows out of order, or beyond the last a sheet can have"),
        ({"rows": '<row r="x"/>'}, "something else where a whole number must be"),
        ({"rows": f'<row r="{"9" * 5000}"/>'}, "something else where a whole number must be"),
        ({"rows": '<row><c r="XFE1"><v>1</v></c></row>'}, "a cell in no column a sheet can have"),
        ({"rows": '<row><c r="1"><v>1</v></c></row>'}, "a cell in no column a sheet can have"),
        ({"rows": '<row r="1"><c r="Ä1"><v>1</v></c></row>'}, "a cell in no column a sheet can have"),
        ({"rows": '<row><c t="s"><v>1</v></c></row>'}, "a cell whose text is not in the workbook"),
        ({"rows": '<row><c t="zz"><v>1</v></c></row>'}, "a cell of no known kind"),
        ({"rows": '<row><c t="b"><v>2</v></c></row>'}, "a cell of no known kind"),
        ({"rows": "<row><c>"}, "no whole XML"),
        ({"rows": "<row>&b;</row>"}, "no whole XML"),
        ({"rows": "", "target": "worksheets/other.xml"}, "a part of the workbook is missing"),
        ({"rows": "", "others": {"xl/worksheets/sheet1.xml": LAUGHS + "<a><row>&b;</row></a>"}}, "a document type"),
    ],
)
def test_sheets_that_cannot_be_read(tmp_path: Path, parts: dict[str, Any], came: str) -> None:
    with pytest.raises(XmlError, match=came):
        streamed(raw_xlsx(tmp_path / "f.xlsx", **parts))


def test_what_lies_between_two_rows_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_stream, "_LONGEST", 200_000)
    path = raw_xlsx(tmp_path / "f.xlsx", "<a/>" * 100_000 + "<row/>")
    with pytest.raises(XmlError, match="an element that does not end"):
        streamed(path)


READ = """
import sys
from pathlib import Path
import psutil, pyarrow as pa
from connectors.base import Request
from connectors.excel import excel_rows
from connectors.rows import text_batches

def held():
    return psutil.Process().memory_info().rss >> 20

def watched(rows):
    global most
    for number, row in enumerate(rows):
        most = max(most, held()) if number % 1000 == 0 else most
        yield row

pa.set_memory_pool(pa.system_memory_pool())
fields = tuple(f"c{number}" for number in range(12))
list(text_batches([["x"] * 12], fields))  # what the libraries themselves take
before = most = held()
rows = excel_rows(Path(sys.argv[1]), Request("t/d", fields, {"fill_down": ["c0"]}), "t/d, f.xlsx", {})
count, last = 0, None
for batch in text_batches(watched(rows), fields):
    most = max(most, held())
    count, last = count + batch.num_rows, batch.slice(batch.num_rows - 1).to_pylist()[0]
print(count, last["c0"], last["c11"], most - before)
"""


def test_eighty_thousand_rows_take_little_memory(tmp_path: Path) -> None:
    """Read whole these rows took 185 MB, and more rows more; as a stream 70 MB, of which the texts are most."""
    count = 80_000
    header = "".join(f'<c t="inlineStr"><is><t>c{place}</t></is></c>' for place in range(12))

    def rows() -> Any:
        yield f'<row r="1">{header}</row>'
        for number in range(count):
            # The first cell is merged over two rows, so that every other row lacks it.
            first = f'<c r="A{number + 2}" t="s"><v>{number * 12}</v></c>' if number % 2 == 0 else ""
            cells = "".join(
                f'<c r="{letters(place)}{number + 2}" t="s"><v>{number * 12 + place}</v></c>' for place in range(1, 12)
            )
            yield f'<row r="{number + 2}">{first}{cells}</row>'

    texts = (f"<si><t>江苏省贾汪区第{number}号</t></si>" for number in range(count * 12))
    path = raw_xlsx(tmp_path / "f.xlsx", rows(), texts=texts)
    read = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(read, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    found, group, last, megabytes = done.stdout.split()
    assert (found, group, last) == (
        str(count),
        f"江苏省贾汪区第{(count - 2) * 12}号",
        f"江苏省贾汪区第{count * 12 - 1}号",
    )
    assert int(megabytes) < 120
