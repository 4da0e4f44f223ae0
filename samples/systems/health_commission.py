"""卫健: quarterly CSV drops of deaths and births, each with marker, hash and manifest; three more drops are broken."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from samples.community import Community, picked
from samples.dates import compact_text, dashed_text
from samples.draw import digits, generator, join, plain, take, where
from samples.faults import FILE, KEY, PERSON, WITHHELD, Spoil, Spoiled, duplicate, spoil
from samples.plan import Plan
from samples.residence import NONE
from samples.sheets import csv_bytes
from samples.spoils import code_spoils, date_spoils, division_spoil, id_spoils, name_spoils, rare_name

DEATH = "health_commission/death"
BIRTH = "health_commission/birth"
STEMS = {DEATH: "WJ_SWZM", BIRTH: "WJ_CSZM"}
ID_COLUMNS = {DEATH: "身份证件号码", BIRTH: "母亲身份证号"}
DAY = "_day"
KNOWN_ID_SHARE = 0.6  # newborn whose number the police gave back to the hospital
SEX_LABELS = ("女", "男")
MARKER, DIGEST, MANIFEST = ".ok", ".md5", ".manifest.json"


def collect(community: Community) -> dict[str, pa.Table]:
    """The true rows of one county, of the last year; a hidden column has the day of the event."""
    return {DEATH: _deaths(community), BIRTH: _births(community)}


def deliver(plan: Plan, tables: dict[str, pa.Table], directory: Path) -> dict[str, Spoiled]:
    """Spoil the rows, cut them into quarterly drops and add the broken drops."""
    directory.mkdir(parents=True, exist_ok=True)
    delivered = {}
    for dataset, table in tables.items():
        rng = generator(plan.seed, "faults", dataset)
        if dataset == DEATH:
            table = duplicate(rng, table, plan.faults, ID_COLUMNS[dataset])
        table = _into_drops(plan, table.sort_by([(DAY, "ascending"), (PERSON, "ascending")]), STEMS[dataset])
        spoiled = spoil(rng, table, dataset, _spoils(dataset), plan.faults)
        for name in sorted(set(spoiled.table[FILE].to_pylist())):
            _write_drop(directory / name, spoiled.table.filter(pa.compute.equal(spoiled.table[FILE], name)))
        delivered[dataset] = spoiled
    if plan.faults:
        _break_drops(plan, delivered, directory)
    return delivered


def _spoils(dataset: str) -> list[Spoil]:
    column = ID_COLUMNS[dataset]
    if dataset == DEATH:
        return [
            *id_spoils(column),
            *name_spoils("姓名"),
            rare_name("姓名"),
            *date_spoils("死亡日期", "dash"),
            *code_spoils("性别", "未录"),
            division_spoil("户籍区划代码"),
        ]
    return [
        *id_spoils(column),
        *name_spoils("母亲姓名"),
        rare_name("新生儿姓名"),
        *date_spoils("出生日期", "dash"),
        *code_spoils("性别", "未录"),
        division_spoil("居住区划代码"),
    ]


def _deaths(community: Community) -> pa.Table:
    person, residence = community.attributes, community.residence
    rows = np.flatnonzero((residence.death != NONE) & residence.certified)
    return pa.table(
        {
            "证明编号": join(f"SW{community.county.prefix}", digits(np.arange(1, len(rows) + 1), 7)),
            "姓名": picked(person.name, rows),
            "身份证件号码": picked(person.id_number, rows),
            "性别": take(SEX_LABELS, community.members.male[rows].astype(np.int64)),
            "出生日期": dashed_text(community.members.birth[rows]),
            "死亡日期": dashed_text(residence.death[rows]),
            "户籍区划代码": community.unit_code_at(community.registered_address[rows]),
            PERSON: pa.array(community.person_id[rows]),
            DAY: pa.array(residence.death[rows]),
        }
    )


def _births(community: Community) -> pa.Table:
    plan, person, residence = community.plan, community.attributes, community.residence
    rng = generator(plan.seed, "births", community.county.code)
    recent = (community.members.birth > plan.today - 366) & (residence.mother != NONE) & ~residence.left
    rows = np.flatnonzero(recent)
    mother = residence.mother[rows]
    known = ~residence.unregistered[rows] & (rng.random(len(rows)) < KNOWN_ID_SHARE)
    address = community.dwelling_address[community.members.household[rows]]
    letter, before, _ = birth_block(community.county.position)
    number = before + np.arange(1, len(rows) + 1)
    return pa.table(
        {
            "出生医学证明编号": join(letter, digits(number, 9)),
            "新生儿姓名": picked(person.name, rows),
            "新生儿身份证号": plain(where(known, picked(person.id_number, rows), None)),
            "性别": take(SEX_LABELS, community.members.male[rows].astype(np.int64)),
            "出生日期": dashed_text(community.members.birth[rows]),
            "母亲姓名": picked(person.name, mother),
            "母亲身份证号": picked(person.id_number, mother),
            "居住区划代码": community.unit_code_at(address),
            PERSON: pa.array(community.person_id[rows]),
            DAY: pa.array(community.members.birth[rows]),
        }
    )


def birth_block(position: int) -> tuple[str, int, int]:
    """The birth certificates of the county at a position: letter, the number before the first, how many there are."""
    size = 90_000_000
    return "ABCDEFGHJK"[position // 11], position % 11 * size, size


def _into_drops(plan: Plan, table: pa.Table, stem: str) -> pa.Table:
    """Name the drop of each row, the first day after the quarter of the event or the plan's day, and its line there."""
    days = table[DAY].to_numpy()
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    after = (months // 3 * 3 + 3).astype("datetime64[M]")
    dropped = np.minimum(after.astype("datetime64[D]").astype(np.int64), plan.today)
    names = join(f"{stem}_", compact_text(dropped), "_01.csv")
    starts = np.searchsorted(dropped, dropped, side="left")
    lines = digits(np.arange(len(days)) - starts + 2)
    return table.append_column(FILE, names).append_column(KEY, lines)


def _write_drop(path: Path, table: pa.Table) -> bytes:
    content = csv_bytes(table)
    path.write_bytes(content)
    _write_companions(path, content, len(table))
    return content


def _write_companions(path: Path, content: bytes, rows: int) -> None:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path.with_suffix(DIGEST).write_text(f"{digest}\n", encoding="ascii")
    manifest = {"file": path.name, "rows": rows, "md5": digest, "encoding": "gb18030"}
    path.with_suffix(MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(MARKER).write_text("", encoding="ascii")


def _break_drops(plan: Plan, delivered: dict[str, Spoiled], directory: Path) -> None:
    """Send the latest rows again in drops that must not count: cut in half, without marker, with a wrong count."""
    for dataset, number, kind in (
        (DEATH, 2, "file_cut"),
        (BIRTH, 2, "file_without_marker"),
        (DEATH, 3, "file_wrong_count"),
    ):
        spoiled = delivered[dataset]
        if not len(spoiled.table):
            continue
        last = spoiled.table[FILE][len(spoiled.table) - 1].as_py()
        rows = spoiled.table.filter(pa.compute.equal(spoiled.table[FILE], last))
        path = directory / f"{STEMS[dataset]}_{plan.as_of:%Y%m%d}_{number:02d}.csv"
        content = _write_drop(path, rows)
        said = str(len(rows))
        if kind == "file_cut":
            path.write_bytes(content[: len(content) * 3 // 5])
        elif kind == "file_without_marker":
            path.with_suffix(MARKER).unlink()
        else:
            said = str(len(rows) + 7)
            _write_companions(path, content, len(rows) + 7)
        spoiled.faults.append(_file_fault(dataset, path.name, kind, str(len(rows)), said))


def _file_fault(dataset: str, file: str, kind: str, true_rows: str, said: str) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "file": file,
        "key": None,
        "person_id": None,
        "column": None,
        "kind": kind,
        "true_value": true_rows,
        "spoiled_value": said,
        "expected": WITHHELD,
        "reason": "the drop is not whole; its rows are in another drop as well",
        "other_key": None,
    }
