"""The repository as it says of itself: trees are mirrors, packages are listed, pages and commands exist."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer

from hub.cli import app
from hub.contracts import ROOT, load_contracts
from hub.settings import Settings

FILES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
)
PAGES = [path for path in FILES if path.suffix == ".md"]


def tails(folder: str) -> set[str]:
    return {path.relative_to(ROOT / folder).with_suffix("").as_posix() for path in (ROOT / folder).rglob("*.yml")}


def test_every_contract_has_its_suite_and_every_suite_its_contract() -> None:
    assert tails("schemas") == tails("expectations")


def test_every_dataset_has_a_sample_that_delivers_it() -> None:
    writers = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "samples" / "systems").glob("*.py"))
    dropped = {
        path.parent.relative_to(ROOT / "samples" / "drops").as_posix() for path in FILES if "samples/drops" in str(path)
    }
    for tail in load_contracts().sources:
        dataset = tail.partition("/")[2]
        assert tail in dropped or tail in writers or f'"{dataset}"' in writers, f"no sample delivers {tail}"


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    found = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for path in FILES
        if path.name == "__init__.py" and path.relative_to(ROOT).parts[0] != "tests"
    }
    assert sorted(listed) == sorted(found)


def test_no_private_path_no_host_of_a_registry() -> None:
    forbidden = re.compile(r"(?<![\w.$}])/(?:tmp|work|root)/|p[y]pi\.org|p[y]thonhosted|n[p]mjs")
    for path in FILES:
        if path.suffix in (".py", ".md", ".yml", ".txt", ".in", ".toml", ".sh", ".html", ".css", ".js"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                assert not forbidden.search(line), f"{path.relative_to(ROOT)}:{number}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_settings_page_and_class_name_the_same() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `HUB_([A-Z_]+)` \|", text, re.MULTILINE))
    assert told == {name.upper() for name in Settings.model_fields}


def test_commands_named_in_the_readme_exist() -> None:
    command = typer.main.get_command(app)
    known = set(getattr(command, "commands", {}))
    for page in PAGES:
        for name in re.findall(r"(?:^|`|bin/)hub ([a-z][a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in known, f"{page.name} names `hub {name}`"


def test_verbs_of_make_named_in_pages_exist() -> None:
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        for verb in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")):
            assert verb in verbs, f"{page.name} names `make {verb}`"


def test_decisions_are_all_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in folder.glob("0*.md")}
