"""The committed dictionary is what the contracts say, and its picture shows every table and reference once."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hub.contracts import load_contracts
from hub.dictionary import dictionary, write_dictionary
from hub.references import references
from hub.settings import ROOT

CONTRACTS = load_contracts()
FOLDER = ROOT / "docs" / "dictionary"
PAGES = dictionary(CONTRACTS)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_its_contract_says(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name], "run `hub dictionary --output docs/dictionary`"


def test_no_page_is_left_of_a_contract_that_is_gone() -> None:
    assert {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()} == set(PAGES)


def test_every_contract_has_a_page_that_names_every_column() -> None:
    pages = {f"base/{base.name}.md": base for base in CONTRACTS.base.values()}
    pages |= {f"products/{product.name}.md": product for product in CONTRACTS.products.values()}
    pages |= {f"sources/{source.tail}.md": source for source in CONTRACTS.sources.values()}
    for name, contract in pages.items():
        rows = re.findall(r"^\| (.+?) \|", PAGES[name].partition("## 列")[2], re.MULTILINE)
        listed = [row for row in rows if row not in ("名称", "---", "表")]
        assert listed[: len(contract.columns)] == [column.title for column in contract.columns], name
        assert f"]({name})" in PAGES["README.md"], name


def test_every_link_leads_to_a_page_or_a_heading() -> None:
    for name, text in PAGES.items():
        for target, _, heading in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", text)):
            path = (FOLDER / name).parent.joinpath(target).resolve().relative_to(FOLDER).as_posix()
            assert path in PAGES, f"{name}: {target}"
            assert not heading or f"\n## {heading}\n" in PAGES[path], f"{name}: {target}#{heading}"


def test_a_second_writing_changes_nothing_and_removes_only_its_own(tmp_path: Path) -> None:
    write_dictionary(CONTRACTS, tmp_path)
    stale, own = tmp_path / "base" / "gone.md", tmp_path / "base" / "notes.md"
    stale.write_text(PAGES["base/person.md"], encoding="utf-8")
    own.write_text("my own notes", encoding="utf-8")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert set(write_dictionary(CONTRACTS, tmp_path)) == set(times) - {stale, own}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == {
        path: time for path, time in times.items() if path != stale
    }


class TestPicture:
    picture = ElementTree.fromstring(PAGES["tables.svg"])  # noqa: S314  our own text
    texts = tuple(str(text.text) for text in picture.iter(f"{SVG}text"))

    def test_every_table_is_there_once_with_its_title(self) -> None:
        for base in CONTRACTS.base.values():
            assert self.texts.count(base.name) == 1
            assert base.title in self.texts

    def test_every_reference_is_a_row_and_has_its_line(self) -> None:
        found = references(CONTRACTS.root)
        for target in {one.target for one in found}:
            arrows = self.texts.count(f"→ {CONTRACTS.base[target].title}")
            assert arrows == sum(one.target == target for one in found)
        paths = [path for path in self.picture.iter(f"{SVG}path") if path.get("stroke-dasharray")]
        assert len(paths) == sum(not one.enforced for one in found) + 1  # and the legend's

    def test_no_line_runs_through_a_box(self) -> None:
        boxes = [
            tuple(int(box.get(name, "0")) for name in ("x", "y", "width", "height"))
            for box in self.picture.iter(f"{SVG}rect")
            if box.get("stroke")
        ]
        for path in self.picture.iter(f"{SVG}path"):
            ends = re.fullmatch(r"M(\d+) (\d+) L(\d+) (\d+)", path.get("d", ""))
            if ends is None:
                continue
            x1, y1, x2, y2 = map(int, ends.groups())
            left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
            for x, y, width, height in boxes:
                assert right <= x or left >= x + width or bottom < y or top > y + height, path.get("d")
