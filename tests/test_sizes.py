"""Modules and functions stay short enough to be read at once."""

import ast

import pytest

from tests.commands import ROOT

PACKAGES = ("bento_service", "training", "deploy", "loadtest")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 300, 50


def nodes(path, *kinds):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_and_no_function_is_long(path):
    assert len(path.read_text().splitlines()) <= MODULE_LINES
    functions = nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
    assert not [f.name for f in functions if f.end_lineno - f.lineno >= FUNCTION_LINES]
