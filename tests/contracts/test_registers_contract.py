"""What every home's registers promise, held against each adapter: of any number that try at once, one succeeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from incident.registers import LocalRegisters, Registers


@pytest.fixture(params=["local"])
def registers(request: pytest.FixtureRequest, tmp_path: Path) -> Registers:
    assert request.param == "local"
    return LocalRegisters(tmp_path)


def test_what_is_created_is_read_and_never_created_again(registers: Registers) -> None:
    assert registers.read("a.claim") is None
    assert registers.create("a.claim", b"one")
    assert not registers.create("a.claim", b"two")
    assert registers.read("a.claim") == b"one"


def test_only_what_was_read_is_replaced(registers: Registers) -> None:
    assert not registers.replace("a.claim", b"two", was=b"one")
    assert registers.read("a.claim") is None
    registers.create("a.claim", b"one")
    assert not registers.replace("a.claim", b"two", was=b"other")
    assert registers.read("a.claim") == b"one"
    assert registers.replace("a.claim", b"two", was=b"one")
    assert registers.read("a.claim") == b"two"


def test_only_what_was_read_is_removed(registers: Registers) -> None:
    assert not registers.remove("a.claim", was=b"one")
    registers.create("a.claim", b"one")
    assert not registers.remove("a.claim", was=b"other")
    assert registers.remove("a.claim", was=b"one")
    assert registers.read("a.claim") is None
    assert registers.create("a.claim", b"again")


def test_of_many_who_replace_what_they_read_one_succeeds(registers: Registers) -> None:
    registers.create("a.claim", b"start")
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: registers.replace("a.claim", f"{n}".encode(), was=b"start"), range(8)))
    assert won.count(True) == 1
    assert registers.read("a.claim") == f"{won.index(True)}".encode()


def test_of_many_who_create_one_succeeds(registers: Registers) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: registers.create("a.claim", f"{n}".encode()), range(8)))
    assert won.count(True) == 1
    assert registers.read("a.claim") == f"{won.index(True)}".encode()
