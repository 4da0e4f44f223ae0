"""Pages and code name the same things: commands, options, verbs, settings, libraries, files, contract words."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from typing import Any

import pytest
import typer
import yaml

from hub.cli import app
from hub.settings import ROOT, Settings
from tests.test_layout import FILES, PAGES

TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
README, CHINESE = TEXTS["README.md"], TEXTS["README.zh-CN.md"]


def tables(page: str, head: str) -> list[list[str]]:
    """The rows, as cells, of the page's table whose head line begins with `head`."""
    lines = TEXTS[page].partition(f"\n{head}")[2].splitlines()[2:]
    rows = list(takewhile(lambda line: line.startswith("|"), lines))
    assert rows, f"{page} has no table {head}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def commands() -> dict[str, Any]:
    """Every command of `hub` by its words: `run`, `grant create` …"""
    found: dict[str, Any] = {}
    waiting = dict(vars(typer.main.get_command(app))["commands"])
    while waiting:
        name, command = waiting.popitem()
        inner = getattr(command, "commands", None) or {}
        waiting |= {f"{name} {word}": one for word, one in inner.items()}
        if not inner:
            found[name] = command
    return found


def called(page: str) -> list[list[str]]:
    """The words after `hub` of each command line that a page shows, in blocks and in running text."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", TEXTS[page], re.DOTALL))
    lines = re.findall(r"^(?:\.venv/bin/)?hub (.+)$", blocks, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in [*lines, *re.findall(r"`hub ([^`]+)`", TEXTS[page])]]


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_is_shown_on_some_page(command: str) -> None:
    shown = [" ".join(words) for page in TEXTS for words in called(page)]
    assert any(f"{words} ".startswith(f"{command} ") for words in shown), f"no page shows `hub {command}`"


@pytest.mark.parametrize("page", TEXTS)
def test_commands_are_shown_with_options_that_they_have(page: str) -> None:
    for words in called(page):
        name = next((n for n in (" ".join(words[:3]), " ".join(words[:2]), words[0]) if n in commands()), None)
        asked = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}
        if name is None:
            assert not asked, f"{page} shows hub {' '.join(words)}"
            continue
        known = {option for parameter in commands()[name].params for option in parameter.opts}
        assert asked <= known, f"{page} shows hub {' '.join(words)}"


def test_every_verb_of_make_is_explained() -> None:
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    told = {re.fullmatch(r"`make ([a-z]+)`", row[0]) for row in tables("CONTRIBUTING.md", "| verb |")}
    assert {match[1] for match in told if match} == verbs


def test_settings_page_tells_the_defaults() -> None:
    # Where the value is made at the start, the page says how instead.
    made = {"HUB_AS_OF": "today in China", "HUB_PORTAL_SECRET": "made once"}
    for cell, told, _meaning in tables("docs/settings.md", "| variable |"):
        name = cell.strip("`")
        default = Settings.model_fields[name.removeprefix("HUB_").lower()].default
        assert told == made.get(name, "none" if default is None else f"`{default}`"), name


def test_every_library_says_why_it_was_taken() -> None:
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    required = {match[0] for line in lines if (match := re.match(r"[a-z][a-z0-9-]*", line))}
    first = ", ".join(row[0] for row in tables("docs/decisions/0002-dependencies.md", "| library |"))
    explained = {name.strip() for name in re.sub(r"\([^)]*\)", "", first).split(",")}
    assert explained == required


def test_both_readmes_list_every_folder_of_the_repository() -> None:
    there = {path.relative_to(ROOT).parts[0] for path in FILES if len(path.relative_to(ROOT).parts) > 1}
    folders = {name for name in there if not name.startswith(".")} - {"tests"}
    for page, head in (("README.md", "| folder |"), ("README.zh-CN.md", "| 目录 |")):
        assert {row[0].strip("`/") for row in tables(page, head)} | {"docs"} == folders, page


def test_both_readmes_show_the_same_commands_and_pages() -> None:
    assert called("README.md") == called("README.zh-CN.md")
    for pattern in (r"^make [a-z]+", r"\]\((docs/[^)]+)\)", r"!\[[^]]*\]\(([^)]+)\)"):
        english, chinese = (set(re.findall(pattern, text, re.MULTILINE)) for text in (README, CHINESE))
        assert english == chinese, pattern


@pytest.mark.parametrize("page", TEXTS)
def test_files_named_on_a_page_are_there(page: str) -> None:
    folders = "connectors|schemas|expectations|hub|dags|samples|benchmarks|tests|docs"
    for name in re.findall(rf"`((?:{folders})/[\w./*-]*)`", TEXTS[page]):
        # The page on adding a dataset speaks of one that is not there yet.
        if "assistive_device" not in name and not name.startswith("samples/drops"):
            assert list(ROOT.glob(name.rstrip("/"))), f"{page} names {name}"


def test_words_of_a_contract_that_the_page_explains_are_used_by_contracts() -> None:
    used: set[str] = set()
    for path in (ROOT / "schemas" / "sources").glob("*/*.yml"):
        contract = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in contract["customProperties"]:
            used |= {entry["property"]} | (set(entry["value"]) if isinstance(entry["value"], dict) else set())
            used |= {key for feed in entry["value"] if isinstance(feed, dict) for key in feed}
        for column in contract["schema"][0]["properties"]:
            used |= {*column, str(column.get("transformLogic"))}
            used |= {entry["property"] for entry in column.get("customProperties", ())}
    for said, meaning in tables("docs/add-a-dataset.md", "| you write |"):
        words = re.findall(r"`([a-z_]+)`", meaning) if said in ("`pull`", "`current`", "`feeds`") else []
        words += re.findall(r"[A-Za-z_]+", said.replace("column ", "").replace("customProperties:", ""))
        words += re.findall(r"`([a-z_]+)`", meaning) if "transformLogic" in said else []
        # Where a sentence names the two modes, they are values, not keys.
        assert set(words) - {"increment", "mode"} <= used, said


def test_a_word_of_the_glossary_has_one_meaning() -> None:
    rows = tables("docs/glossary.md", "| English |")
    for column in (0, 1):
        words = [word.strip() for row in rows for word in re.split(r"[,，]", row[column])]
        assert sorted(words) == sorted(set(words))
    assert all(len(row) == 4 and all(row[:3]) for row in rows)


def test_chinese_words_of_the_glossary_are_those_of_the_portal() -> None:
    words = yaml.safe_load((ROOT / "hub" / "portal" / "words.yml").read_text(encoding="utf-8"))["words"]
    chinese = {row[0]: row[1] for row in tables("docs/glossary.md", "| English |")}
    assert words["operator"]["zh"] in chinese["holder, operator"]
    assert words["products"]["zh"] == chinese["product"]
    assert words["version"]["zh"] == chinese["version"]


def test_the_picture_names_every_step() -> None:
    from hub.walk import STEPS

    picture = (ROOT / "docs" / "images" / "walk.svg").read_text(encoding="utf-8")
    for number, step in enumerate(STEPS, 1):
        assert f"{number} {step.title}" in picture
        assert step.name in picture
