"""A Marquez server that is not well, not there, or not Marquez."""

from __future__ import annotations

import socket

import pytest

from lineage.errors import SourceUnreadable
from lineage.sources import Problems, read
from tests.lineage.marquez_server import Marquez, ran, told

pytestmark = pytest.mark.usefixtures("_impatient")


@pytest.mark.parametrize("statuses", [[500], [503, 502, 504], [429, 429]])
def test_a_passing_error_is_asked_again(statuses: list[int], marquez: Marquez) -> None:
    marquez.events = [ran("2026-11-18T01:00:00Z")]
    marquez.failures = {"/events/lineage": list(statuses), "/namespaces": list(statuses)}

    events, problems = told(marquez.url)

    assert len(events) == 1
    assert problems.skipped == []


@pytest.mark.parametrize(
    ("statuses", "said", "hint"),
    [
        ([500] * 4, "500 Internal Server Error, 4 times", "log"),
        ([401], "answers 401", "MARQUEZ_API_KEY"),
        ([403], "answers 403", "MARQUEZ_API_KEY"),
        ([400], "answers 400", "address"),
        ([404], "no Marquez there", "5000"),
    ],
)
def test_an_error_that_stays_says_what_and_what_to_do(statuses: list[int], said: str, hint: str, marquez: Marquez) -> None:
    marquez.failures = {"/namespaces": statuses}

    with pytest.raises(SourceUnreadable) as caught:
        told(marquez.url)

    assert said in caught.value.message
    assert hint in caught.value.hint


def test_an_error_in_the_middle_of_the_events_is_no_half_a_history(marquez: Marquez) -> None:
    marquez.events = [ran(f"2026-11-18T01:{number // 60:02}:{number % 60:02}Z") for number in range(150)]
    marquez.failures = {"/events/lineage": []}
    problems = Problems()
    events = read([marquez.url], problems)
    for _ in range(50):
        next(events)
    marquez.failures["/events/lineage"] += [500] * 4

    with pytest.raises(SourceUnreadable, match="4 times"):
        list(events)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b'{"namespaces": null}', b"", b"\xff", b'{"namespaces": '])
def test_an_answer_that_is_not_marquezs_is_refused(body: bytes, marquez: Marquez) -> None:
    marquez.body = body

    with pytest.raises(SourceUnreadable) as caught:
        told(marquez.url)

    assert caught.value.hint


def test_nobody_listening_is_said() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(SourceUnreadable, match="cannot be reached") as caught:
            told(f"marquez+http://127.0.0.1:{port}")

    assert caught.value.hint


@pytest.mark.parametrize("source", ["marquez+http://", "marquez+http://host:port", "marquez+http:host", "marquez+https://h/?x=1"])
def test_an_address_that_is_none_is_said(source: str) -> None:
    with pytest.raises(SourceUnreadable, match="not the address"):
        told(source)


def test_credentials_in_the_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(SourceUnreadable) as caught:
        told("marquez+https://me:hunter2@marquez.example")

    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "MARQUEZ_API_KEY" in caught.value.hint


def test_the_key_goes_to_this_server_alone_and_everything_is_a_get(marquez: Marquez, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUEZ_API_KEY", "s3cret")
    marquez.events = [ran("2026-11-18T01:00:00Z")]

    told(f"{marquez.url}/api/v1/")

    assert marquez.authorizations == {"Bearer s3cret"}
    assert marquez.methods == {"GET"}
    marquez.authorizations.clear()
    marquez.failures = {"/namespaces": [302]}
    with pytest.raises(SourceUnreadable):
        told(marquez.url)
    assert marquez.authorizations == {"Bearer s3cret", None}, "where it redirects gets no key"
