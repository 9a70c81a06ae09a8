"""Modules and functions are short, class names are unique, and the packages' imports run one way."""

import ast
from collections import Counter

import pytest

from tests.commands import ROOT

ALLOWED = {
    "bento_service": set(),
    "deploy": set(),
    "training": {"bento_service"},
    "loadtest": {"bento_service", "deploy", "training"},
}
"""The packages that each package may import."""
FILES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 300, 50
STANDALONE = "loadtest/baseline/"
"""Scripts of another environment, which no module imports."""


def nodes(path, *kinds):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_and_no_function_is_long(path):
    assert len(path.read_text().splitlines()) <= MODULE_LINES
    functions = nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
    assert not [f.name for f in functions if f.end_lineno - f.lineno >= FUNCTION_LINES]


def test_every_class_has_a_name_of_its_own():
    modules = [path for path in FILES if STANDALONE not in path.as_posix()]
    counts = Counter(node.name for path in modules for node in nodes(path, ast.ClassDef))
    assert not [name for name, count in counts.items() if count > 1]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_it_may(package):
    imported = set()
    for path in (ROOT / package).rglob("*.py"):
        imported |= {alias.name for node in nodes(path, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in nodes(path, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in imported} & (ALLOWED.keys() - {package})
    assert others == ALLOWED[package]
