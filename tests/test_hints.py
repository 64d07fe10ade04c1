"""Errors are written for the person at the keyboard: each says what happened, and what to do next."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import incident
import incident.errors

ROOT = Path(incident.__file__).parent
KINDS = {name for name, kind in vars(incident.errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.name != "memory.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_error_that_is_made_has_a_hint(path: Path) -> None:
    """``memory.py`` is the storage of tests, and nobody's keyboard."""
    bare = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in KINDS
        and len(node.args) < 2
        and all(given.arg not in {"hint", None} for given in node.keywords)
    ]
    assert not bare, "; ".join(bare)
