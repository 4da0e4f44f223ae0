"""The data dictionary: `docs/dictionary/`, in Chinese, written from the contracts and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import sqlglot
from sqlglot import exp

from hub.column_words import GRADES, KINDS, fillers, source_title, standards
from hub.contracts import BaseContract, Column, Contract, Contracts, ProductContract, SourceContract
from hub.dictionary_picture import picture
from hub.governance import governance_tables
from hub.governance_views import VIEWS, views
from hub.references import references, scope_column
from hub.store import write_atomically
from hub.where import file_of

__all__ = ["dictionary", "write_dictionary"]

_MADE = "由 `hub dictionary` "
"""Stands in every page, so that no other file is ever removed."""
_INDEX, _PICTURE, _CODES, _VIEWS = "README.md", "tables.svg", "codes.md", "views.md"
_OUTSIDE = "division"
"""The code list that is a table of its own, too long for a page."""
_TOO_MANY = 500
"""A list of so many codes is only counted on the page."""
_SHARING = {"unconditional": "无条件共享", "conditional": "有条件共享", "refused": "不予共享"}
_MODES = {"snapshot": "全量", "increment": "增量"}
_SPANS = {"d": "天", "m": "个月", "y": "年"}
_MASKS = {
    "name": "留首字",
    "id_number": "留前 3 位和后 4 位",
    "phone": "留前 3 位和后 4 位",
    "token": "按接收方生成的令牌",
}
_RECEIVERS = {"village": "村（社区）", "department": "部门"}


def write_dictionary(contracts: Contracts, folder: Path) -> list[Path]:
    """Write every page below a folder, remove the pages of contracts that are gone, and return the files.

    A file whose text is as it was is left alone.
    """
    pages = {folder / name: text for name, text in dictionary(contracts).items()}
    for path, text in pages.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text.encode())
    for kind in ("base", "products", "sources"):
        for old in sorted((folder / kind).rglob("*.md")):
            if old not in pages and _MADE in old.read_text(encoding="utf-8"):
                old.unlink()
    return list(pages)


def dictionary(contracts: Contracts) -> dict[str, str]:
    """Every page, by its path below the folder of the dictionary."""
    pages = {_INDEX: _index(contracts), _PICTURE: picture(contracts), _CODES: _codes(contracts)}
    pages[_VIEWS] = _view_page(contracts)
    for base in contracts.base.values():
        pages[f"base/{base.name}.md"] = _page(base, _base_page(contracts, base))
    for product in contracts.products.values():
        pages[f"products/{product.name}.md"] = _page(product, _product_page(contracts, product))
    for source in contracts.sources.values():
        pages[f"sources/{source.tail}.md"] = _page(source, _source_page(contracts, source))
    return pages


def _page(contract: Contract, body: Iterable[str]) -> str:
    made = f"{_MADE}据 `{file_of(contract)}` 生成，契约版本 {contract.version_text}。"
    return _text([f"# {contract.title} `{contract.name}`", made, *body])


def _text(blocks: Iterable[str]) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _facts(facts: Mapping[str, str]) -> str:
    return _table(["项", "内容"], [(name, told) for name, told in facts.items() if told])


def _codelist(column: Column, depth: int) -> str:
    if not column.codelist:
        return ""
    if column.codelist == _OUTSIDE:
        return f"`{_OUTSIDE}`"
    return f"[{column.codelist}]({'../' * depth}{_CODES}#{column.codelist})"


def _reads(contracts: Contracts, product: ProductContract) -> list[BaseContract]:
    """The base tables a product is made of."""
    named = {table.name for table in sqlglot.parse_one(product.query, dialect="duckdb").find_all(exp.Table)}
    return [base for base in contracts.base.values() if base.name in named]


def _index(contracts: Contracts) -> str:
    def of_base(base: BaseContract) -> Sequence[object]:
        grades = max(column.grade for column in base.columns)
        return (f"[{base.title}](base/{base.name}.md)", f"`{base.name}`", len(base.columns), GRADES.get(grades, grades))

    def of_product(product: ProductContract) -> Sequence[object]:
        link = f"[{product.title}](products/{product.name}.md)"
        return link, f"`{product.name}`", product.purpose, _SHARING.get(product.sharing["class"], "")

    def of_source(source: SourceContract) -> Sequence[object]:
        fed = "、".join(dict.fromkeys(contracts.base[feed.entity].title for feed in source.feeds))
        link = f"[{source.title}](sources/{source.tail}.md)"
        return contracts.systems[source.department].title, link, f"`{source.tail}`", _cycle(source), fed

    return _text(
        [
            "# 数据字典",
            f"{_MADE}据 `schemas` 下的数据契约生成。改契约后须重新生成；测试比对两者。",
            "## 基础表及其引用",
            f"![基础表及其引用]({_PICTURE})",
            "## 基础表",
            _table(["名称", "表", "列数", "最高分级"], map(of_base, contracts.base.values())),
            f"供查询的视图见[视图](views.md)，代码见[代码表]({_CODES})。",
            "## 数据产品",
            _table(["名称", "产品", "用途", "共享"], map(of_product, contracts.products.values())),
            "## 部门数据集",
            _table(["部门", "名称", "数据集", "周期", "填入"], map(of_source, contracts.sources.values())),
        ]
    )


def _codes(contracts: Contracts) -> str:
    def listed() -> Iterator[str]:
        for name, codelist in contracts.codelists.items():
            if name != _OUTSIDE:
                yield f"## {name}"
                yield "依据：" + "、".join(standards(contracts.root, name)) + "。"
                if len(codelist.titles) > _TOO_MANY:
                    yield f"共 {len(codelist.titles)} 项，见 `schemas/codelists/{name}.csv`。"
                else:
                    yield _table(["代码", "名称"], codelist.titles.items())

    made = f"{_MADE}据 `schemas/codelists` 生成。区划代码自成[一表](base/division.md)，此处不列。"
    return _text(["# 代码表", made, *listed()])


def _view_page(contracts: Contracts) -> str:
    def listed() -> Iterator[str]:
        for view in views(governance_tables(contracts.base, postgis=False), contracts):
            yield f"## `{VIEWS}.{view.name}`"
            yield f"{view.title}。"
            yield _table(["列", "说明"], view.columns.items())

    made = f"{_MADE}生成。视图在模式 `open` 中，人人可见其名，能读到的行和列以各自的权限为限。"
    return _text(["# 视图", made, *listed()])


def _base_page(contracts: Contracts, base: BaseContract) -> Iterator[str]:
    ways = {one.column: one for one in references(contracts.root) if one.entity == base.name}
    scope = scope_column(base)
    by = ["＋".join(base.by_name[name].title for name in group) for group in base.identify_by]
    yield _facts(
        {
            "用途": base.purpose,
            "主键": "、".join(base.by_name[name].title for name in base.keys),
            "识别依据": "；否则 ".join(by),
            "所属区划": base.by_name[scope].title if scope else "",
        }
    )
    yield "## 列"

    def row(column: Column) -> Sequence[object]:
        way = ways.get(column.name)
        target = (
            f"[{contracts.base[way.target].title}]({way.target}.md)" if way and way.target in contracts.base else ""
        )
        filled = "、".join(source_title(contracts, tail) for tail in fillers(contracts, base, column.name))
        needed = "是" if column.required or column.key else ""
        kind, grade = KINDS[column.kind], GRADES.get(column.grade, column.grade)
        link = _codelist(column, 1)
        return column.title, f"`{column.name}`", kind, needed, grade, link, target, filled or "中枢计算"

    head = ["名称", "列", "类型", "必填", "分级", "代码表", "引用", "来源（依次优先）"]
    yield _table(head, map(row, base.columns))
    yield from _uses(contracts, base)


def _uses(contracts: Contracts, base: BaseContract) -> Iterator[str]:
    """Who fills a base table, who refers to it, what is made of it."""
    pointing = [
        (f"[{contracts.base[one.entity].title}]({one.entity}.md)", contracts.base[one.entity].by_name[one.column].title)
        for one in references(contracts.root)
        if one.target == base.name and one.entity in contracts.base
    ]
    if pointing:
        yield "## 被引用"
        yield _table(["表", "列"], pointing)
    feeding = [source for source in contracts.sources.values() if any(f.entity == base.name for f in source.feeds)]
    if feeding:
        yield "## 数据来源"
        yield "\n".join(f"- [{source_title(contracts, s.tail)}](../sources/{s.tail}.md)" for s in feeding)
    made = [product for product in contracts.products.values() if base in _reads(contracts, product)]
    if made:
        yield "## 用于产品"
        yield "\n".join(f"- [{product.title}](../products/{product.name}.md)" for product in made)


def _product_page(contracts: Contracts, product: ProductContract) -> Iterator[str]:
    sharing = product.sharing
    receiver = contracts.systems.get(product.subscriber or "")
    yield _facts(
        {
            "用途": product.purpose,
            "共享": f"{_SHARING.get(sharing['class'], sharing['class'])}，{sharing.get('condition', '')}".strip("，"),
            "接收方": receiver.title if receiver else product.subscriber or _RECEIVERS[product.subscriber_kind],
            "范围": f"按 {product.by_name[product.scope_column].title} 划分",
            "取自": "、".join(f"[{base.title}](../base/{base.name}.md)" for base in _reads(contracts, product)),
        }
    )
    yield "## 列"

    def row(column: Column) -> Sequence[object]:
        mask = _MASKS[column.mask["rule"]] if column.mask else ""
        if column.mask and "when" in column.mask:
            mask += f"（仅当 `{column.mask['when']}`）"
        kind, grade = KINDS[column.kind], GRADES.get(column.grade, column.grade)
        return column.title, f"`{column.name}`", kind, grade, _codelist(column, 1), mask

    yield _table(["名称", "列", "类型", "分级", "代码表", "脱敏"], map(row, product.columns))


def _cycle(source: SourceContract) -> str:
    number, unit = source.cycle[:-1], source.cycle[-1:]
    return f"每 {number} {_SPANS[unit]}" if unit in _SPANS else source.cycle


def _source_page(contracts: Contracts, source: SourceContract) -> Iterator[str]:
    system = contracts.systems[source.department]
    fed = dict.fromkeys(feed.entity for feed in source.feeds)
    yield _facts(
        {
            "部门": f"{system.title}（{system.owner.get('unit', '')}）",
            "接口": f"{source.connection}（{system.connections[source.connection]['kind']}）",
            "方式": f"{_MODES[source.mode]}，{_cycle(source)}",
            "主键": "、".join(source.by_name[name].title for name in source.keys),
            "填入": "、".join(f"[{contracts.base[entity].title}](../../base/{entity}.md)" for entity in fed),
        }
    )
    yield "## 列"

    def row(column: Column) -> Sequence[object]:
        needed = "是" if column.required or column.key else ""
        others = "、".join(column.synonyms)
        kind, grade = KINDS[column.kind], GRADES.get(column.grade, column.grade)
        link = _codelist(column, 2)
        return column.title, f"`{column.physical_name}`", others, f"`{column.name}`", kind, needed, grade, link

    yield _table(["名称", "部门列名", "又名", "列", "类型", "必填", "分级", "代码表"], map(row, source.columns))
