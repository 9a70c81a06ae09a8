"""The pages: the index leads to each of them, and each block of code is closed and of a known language."""

import re

import pytest

from tests.commands import ROOT

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "training/EXPERIMENTS.md"]
INDEX = ROOT / "docs/index.md"
LANGUAGES = {"", "sh", "json", "python", "js", "ts", "yaml", "text"}


def paths(names):
    return {(INDEX.parent / name).resolve() for name in names}


def test_the_index_names_every_page_in_its_tables_and_in_its_tree():
    text = INDEX.read_text(encoding="utf-8")
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    entries = [re.sub(r".*<(.+)>", r"\1", line) for line in lines]
    assert len(set(entries)) == len(entries)
    assert paths(f"{entry}.md" for entry in entries) == set(PAGES) - {INDEX}
    assert paths(re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", text, re.MULTILINE)) == set(PAGES) - {INDEX}


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_code_are_closed_and_of_a_known_language(page):
    fences = re.findall(r"^ *```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert set(fences[1::2]) <= {""}
    assert set(fences[::2]) <= LANGUAGES | ({"{toctree}"} if page == INDEX else set())
