"""Documentation that fails when it drifts."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pyshorteners

from bot.settings import SHORTENERS, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_readme_names_every_setting_with_its_default() -> None:
    told: dict[str, str] = {}
    for names, default, _ in rows(README, "Settings"):
        for name, value in zip(names.split(", "), (default.split(", ") * 2), strict=False):
            told[name.strip("`")] = value.strip("`")
    known = {item.metadata["name"]: dict(Settings().shown()) for item in fields(Settings)}
    assert set(told) == set(known)
    shown = dict(Settings().shown())
    same = {"none": "(not set)", "loopback": "127.0.0.1"}
    for name, default in told.items():
        value = shown[name].removesuffix(".0")
        assert value == same.get(default, default) or (default == "none" and value == "none"), name


def test_every_shortener_named_is_one_that_pyshorteners_has() -> None:
    assert set(SHORTENERS) == set(pyshorteners.Shortener().available_shorteners)


def test_the_readme_names_every_command() -> None:
    usage = subprocess.run(
        [sys.executable, "-m", "bot", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    commands = set(re.findall(r"^    (\w+) ", usage, re.MULTILINE))
    told = {
        word for cell, _ in rows(README, "Commands") for word in re.findall(r"`sebar (\w+)", cell)
    }
    assert told == commands


def test_the_map_of_the_house_is_the_house() -> None:
    section = CONTRIBUTING.split("## The map of the house", 1)[1].split("```")[1]
    drawn = set(re.findall(r"^  ([\w]+(?:\.py|/)) ", section, re.MULTILINE))
    built = {
        path.name + ("/" if path.is_dir() else "")
        for path in (ROOT / "bot").iterdir()
        if path.name not in {"__init__.py", "__pycache__"}
    }
    assert drawn == built


def test_the_glossary_has_a_word_for_every_table() -> None:
    sql = "".join(path.read_text() for path in (ROOT / "bot" / "migrations").glob("*.sql"))
    glossary = CONTRIBUTING.split("## Glossary", 1)[1].split("\n## ", 1)[0]
    for table in re.findall(r"CREATE TABLE (\w+)", sql):
        word = table.split("_")[0].removesuffix("s")
        word = {"storie": "story", "deliverie": "delivery", "known": "message"}.get(word, word)
        assert word in glossary, table


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {PROJECT['version']}" in changelog


def test_every_picture_and_file_that_a_page_shows_is_there() -> None:
    for page in (README, CONTRIBUTING):
        for target in re.findall(r"\]\(([^)#]+)\)", page):
            if "://" not in target:
                assert (ROOT / target).exists(), target


def test_the_top_level_is_what_was_agreed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    top = {name.split("/")[0] for name in tracked}
    allowed = {"pyproject.toml", "bot", "templates", "data", "tests", "Procfile", "LICENSE"}
    allowed |= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile"}
    assert {name for name in top if not name.startswith(".")} == allowed
