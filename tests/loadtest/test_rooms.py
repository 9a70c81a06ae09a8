"""Imports go one way: the commands use both rooms, the rooms use what they share, and nothing else."""

import ast

import pytest

from tests.commands import ROOT

PACKAGE = ROOT / "loadtest"
ROOMS = ("servers", "cluster")
SHARED = sorted(path.name for path in PACKAGE.glob("*.py") if path.name != "__main__.py")


def imported(path):
    """Return the modules that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("name", SHARED)
def test_shared_modules_import_no_room(name):
    rooms = tuple(f"loadtest.{room}" for room in ROOMS)
    assert not [module for module in imported(PACKAGE / name) if module.startswith(rooms)]


@pytest.mark.parametrize(("room", "other"), [ROOMS, ROOMS[::-1]])
def test_a_room_does_not_import_the_other(room, other):
    paths = list((PACKAGE / room).glob("*.py"))
    assert len(paths) > 3
    assert not [path.name for path in paths for name in imported(path) if name.startswith(f"loadtest.{other}")]


def test_comparing_servers_needs_no_cluster():
    modules = {name for path in (PACKAGE / "servers").glob("*.py") for name in imported(path)}
    assert not [name for name in modules if name.startswith(("deploy", "kubernetes"))]
