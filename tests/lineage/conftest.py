"""A Marquez server for a test, and a client that asks it at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lineage.marquez_server import Marquez, serving


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks servers directly, and again without waiting."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("MARQUEZ_API_KEY", raising=False)
    monkeypatch.setattr("lineage.sources.rest._WAITS", (0.0, 0.0, 0.0))


@pytest.fixture
def marquez(_impatient: None) -> Iterator[Marquez]:
    """A server that knows nothing yet."""
    with serving(Marquez()) as found:
        yield found
