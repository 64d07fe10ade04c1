"""What an Airflow refuses, hides or garbles: either a clear error before anything is believed, or a counted problem."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from lineage.declarations import Declarations
from lineage.errors import SourceUnreadable
from lineage.events import Event
from lineage.history import build
from lineage.sources import Problems, read, rest
from tests.lineage.airflow_server import PASSWORD, TOKEN, USER, Recorded, serving


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setattr(rest, "_WAITS", ())
    monkeypatch.setenv("AIRFLOW_TOKEN", TOKEN)
    monkeypatch.delenv("AIRFLOW_USERNAME", raising=False)
    monkeypatch.delenv("AIRFLOW_PASSWORD", raising=False)
    with serving(Recorded()) as recorded:
        yield recorded


def events(source: str) -> tuple[list[Event], Problems]:
    problems = Problems()
    return list(read([source], problems)), problems


def refused(source: str) -> SourceUnreadable:
    with pytest.raises(SourceUnreadable) as caught:
        events(source)
    assert caught.value.hint
    assert TOKEN not in f"{caught.value.message}{caught.value.hint}"
    assert PASSWORD not in f"{caught.value.message}{caught.value.hint}"
    return caught.value


def test_without_credentials_it_says_which_to_set(airflow: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_TOKEN")

    error = refused(airflow.source())

    assert "401" in error.message
    assert "AIRFLOW_TOKEN, or AIRFLOW_USERNAME and AIRFLOW_PASSWORD" in error.hint


def test_a_token_that_is_not_valid_is_refused(airflow: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_TOKEN", "old")

    assert "403" in refused(airflow.source()).message


def test_a_wrong_password_is_named_as_such(airflow: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_TOKEN")
    monkeypatch.setenv("AIRFLOW_USERNAME", USER)
    monkeypatch.setenv("AIRFLOW_PASSWORD", "guess")

    error = refused(airflow.source())

    assert "/auth/token answers 401" in error.message
    assert error.hint == "check AIRFLOW_USERNAME and AIRFLOW_PASSWORD"
    assert airflow.asked == ["POST /auth/token"]


def test_half_of_the_credentials_are_not_tried(airflow: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_TOKEN")
    monkeypatch.setenv("AIRFLOW_USERNAME", USER)

    assert "only one of" in refused(airflow.source()).message
    assert airflow.asked == []


@pytest.mark.parametrize("answer", [{}, {"access_token": None}, [], b"<html>"])
def test_a_sign_in_without_a_token(airflow: Recorded, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.delenv("AIRFLOW_TOKEN")
    monkeypatch.setenv("AIRFLOW_USERNAME", USER)
    monkeypatch.setenv("AIRFLOW_PASSWORD", PASSWORD)
    monkeypatch.setattr(airflow, "answer", lambda *_: (201, answer))

    assert "without an access_token" in refused(airflow.source()).message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_password_does_not_follow_a_redirect(airflow: Recorded, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.delenv("AIRFLOW_TOKEN")
    monkeypatch.setenv("AIRFLOW_USERNAME", USER)
    monkeypatch.setenv("AIRFLOW_PASSWORD", PASSWORD)
    airflow.status["/auth/token"] = status
    airflow.location = f"{airflow.address}/elsewhere"

    assert "/auth/token answers" in refused(airflow.source()).message
    assert [one for one in airflow.asked if one.startswith("POST")] == ["POST /auth/token"]


def test_credentials_in_the_address_are_not_taken_and_not_repeated(airflow: Recorded) -> None:
    error = refused(airflow.source().replace("http://", f"http://{USER}:{PASSWORD}@"))

    assert "credentials" in error.message
    assert airflow.asked == []


def test_an_airflow_without_the_second_api_is_told_apart(airflow: Recorded) -> None:
    airflow.answers = {}

    assert "Airflow 3" in refused(airflow.source()).hint


@pytest.mark.parametrize("answer", [{}, [], {"assets": {}}, {"assets": [1], "total_entries": 1}, b"<html>", b"", 7])
def test_an_answer_unlike_airflow_is_an_error(airflow: Recorded, answer: Any) -> None:
    airflow.answers["/api/v2/assets"] = answer

    refused(airflow.source())


def test_nobody_there() -> None:
    with serving(Recorded()) as gone:
        source = gone.source()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rest, "_WAITS", ())
        assert "cannot be reached" in refused(source).message


@pytest.mark.parametrize(
    "query", ["?namespace=a&namespace=b", "?since=yesterday", "?limit=3", "?dag=nothing_like_it"], ids=lambda text: text[1:6]
)
def test_a_question_that_cannot_be_meant(airflow: Recorded, query: str) -> None:
    refused(airflow.source(query))


@pytest.mark.parametrize("address", ["airflow+http://", "airflow+http://[x", "airflow+http://host:port"])
def test_an_address_that_is_none(address: str) -> None:
    refused(address)


def test_what_cannot_be_used_is_counted_and_the_rest_is_read(airflow: Recorded) -> None:
    whole = len(events(airflow.source())[0])
    airflow.items("/assets")[0]["uri"] = None  # raw/orders: written by one task, and read by one
    instances = airflow.items("/dags/shop/dagRuns/~/taskInstances")
    instances[0]["start_date"] = "soon"
    instances[1]["dag_run_id"] = None
    instances[2]["map_index"] = "first"
    airflow.status["/api/v2/dags/counts/dagRuns"] = 404
    airflow.status[f"/api/v2/dags/shop/dagRuns/{quoted(instances[-1])}"] = 404
    airflow.items("/dags/shop/dagRuns").remove(
        next(one for one in airflow.items("/dags/shop/dagRuns") if one["dag_run_id"] == instances[-1]["dag_run_id"])
    )

    found, problems = events(airflow.source())

    reasons = "\n".join(one.reason for one in problems.skipped)
    assert "an asset without a usable URI: 'None'" in reasons
    assert "not a time: 'soon'" in reasons
    assert "an item without dag_run_id" in reasons
    assert "DAG counts" in reasons
    assert "was deleted while it was read" in reasons
    assert 0 < len(found) < whole


def quoted(instance: dict[str, Any]) -> str:
    from urllib.parse import quote

    return quote(instance["dag_run_id"], safe="")


def test_a_list_that_stays_short_is_noted(airflow: Recorded) -> None:
    airflow.answers["/api/v2/assets"]["total_entries"] += 1

    _, problems = events(airflow.source())

    assert [one.reason for one in problems.noted] == ["the assets changed while they were read; some may be missing"]


@pytest.mark.parametrize("seed", range(60))
def test_garbled_answers_never_crash(airflow: Recorded, seed: int) -> None:
    chance = random.Random(seed)
    rubbish: list[Any] = [
        None,
        "",
        0,
        -1,
        "x",
        [],
        {},
        [None],
        True,
        1e300,
        "9999-99-99T00:00:00Z",
        "2026-11-20T00:00:00",
        "\ud800",
    ]
    items = [
        one for path in ("assets", "dags/shop/dagRuns", "dags/export/dagRuns/~/taskInstances") for one in airflow.items(f"/{path}")
    ]
    for one in chance.sample(items, 12):
        for key in chance.sample(sorted(one), 3):
            one[key] = chance.choice(rubbish)

    problems = Problems()
    try:
        build(read([airflow.source()], problems), Declarations(), problems=problems)
    except SourceUnreadable as error:
        assert error.hint  # noqa: PT017 - either is well: an error with a way on, or counted problems
