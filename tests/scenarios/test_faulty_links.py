"""Everything that can go wrong between us and a server that speaks S3, for revert, purge and their undo, with versions and without.

Each trouble ends in a clear state, with an exit code of the contract and the next step; once it is over, resume ends where an
undisturbed run does. Nobody else writes here, so that nothing may ever be told as drift.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.config
import pytest

from incident.errors import CREDENTIALS, FAILED, OK
from tests.faulty_link import Asked, Fault, FaultyLink, faulty_link
from tests.link_faults import failed_after, refused, silent, some_keys, torn, unanswered, unheard
from tests.s3_server import LiveServer
from tests.wide_lake import STEPS, Course, Ground, Step, behind, course

ON_SERVERS: tuple[Ground, ...] = ("versions", "plain")
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "6"))
"""Of all steps, each step with another trouble."""
GIVEN_UP = 1.0
"""Seconds after which the client waits no more for an answer."""


@dataclass(frozen=True)
class Trouble:
    """``count`` None: it lasts until somebody mends it. ``codes``: the exit codes that the trouble may end in."""

    fault: Fault
    first: int
    count: int | None
    codes: frozenset[int]
    says: str = ""
    on: Callable[[Asked], bool] = lambda asked: asked.has_effect


TROUBLES = {
    "asked to slow down twice": Trouble(refused(503, "SlowDown"), 1, 2, frozenset({OK})),
    "an internal error, done all the same": Trouble(failed_after(500, "InternalError"), 1, 2, frozenset({OK, FAILED})),
    "asked to slow down for ever": Trouble(refused(503, "SlowDown"), 1, None, frozenset({FAILED})),
    "an internal error, nothing done": Trouble(refused(500, "InternalError"), 1, 1, frozenset({OK, FAILED})),
    "internal errors for ever": Trouble(refused(500, "InternalError"), 1, None, frozenset({FAILED})),
    "answers lost": Trouble(unanswered, 1, 3, frozenset({OK, FAILED})),
    "internal errors for ever, done all the same": Trouble(failed_after(500, "InternalError"), 1, None, frozenset({OK, FAILED})),
    "unavailable for ever": Trouble(refused(503, "ServiceUnavailable"), 1, None, frozenset({FAILED})),
    "answers lost for ever": Trouble(unanswered, 0, None, frozenset({OK, FAILED})),
    "answers torn": Trouble(torn, 0, 3, frozenset({OK, FAILED})),
    "requests torn": Trouble(unheard, 1, 3, frozenset({FAILED})),
    "requests torn for ever": Trouble(unheard, 0, None, frozenset({FAILED})),
    "some keys internal errors": Trouble(some_keys("InternalError", done=False), 1, None, frozenset({FAILED})),
    "time-outs, done all the same": Trouble(silent(GIVEN_UP * 1.5), 1, 1, frozenset({OK, FAILED})),
    "some keys denied": Trouble(some_keys("AccessDenied", done=False), 1, None, frozenset({FAILED, CREDENTIALS})),
    "credentials expire": Trouble(refused(403, "ExpiredToken"), 1, None, frozenset({CREDENTIALS}), "credentials expired"),
    "listings torn": Trouble(torn, 1, 2, frozenset({OK}), on=lambda asked: asked.method == "GET"),
    "some keys internal errors, done all the same": Trouble(some_keys("InternalError", done=True), 1, 2, frozenset({OK, FAILED})),
    "clock refused": Trouble(refused(403, "RequestTimeTooSkewed"), 1, None, frozenset({FAILED}), "clock"),
}
"""Every fourth, beginning with the second, has its effect and is not answered: in a few rounds these meet a revert and a purge."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what it was about when it is not as it should be."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


class Impatient(botocore.config.Config):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "read_timeout": GIVEN_UP})


@pytest.fixture
def link(ministack: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyLink]:
    monkeypatch.setattr("botocore.config.Config", Impatient)
    monkeypatch.setattr("incident.storage.s3_client._PAUSES", (0.0,) * 5)
    monkeypatch.setattr("incident.object_tries.PAUSES", (0.0,) * 5)
    with faulty_link(ministack.endpoint) as found:
        yield found


@pytest.mark.parametrize("ground", ON_SERVERS)
def test_a_trouble_ends_clearly_and_resume_ends_where_an_undisturbed_run_does(
    ground: Ground,
    link: FaultyLink,
    tmp_path: Path,
    ministack: LiveServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = course(ground, tmp_path, ministack, monkeypatch, capsys, behind(link.endpoint), parts=2)
    names = list(TROUBLES)
    seen = Counter[str]()
    for turn in range(ROUNDS):
        for at, step in enumerate(STEPS):
            # Each trouble meets some step in a few rounds, and each step in as many as there are troubles.
            name = names[(turn * len(STEPS) + at + turn // (len(names) // 2) + ON_SERVERS.index(ground)) % len(names)]
            plan = found.plan(step)
            trouble = TROUBLES[name]
            with link.trouble(trouble.fault, first=trouble.first, count=trouble.count, on=trouble.on):
                code, envelope = found.incident(*found.command(step, plan))
            with told(f"{name} in {step} on {ground}: {code} {envelope}"):
                seen[name] += link.met
                clear(found, step, plan, trouble, code, envelope, met=link.met > 0)
                found.settle(step, plan)
    if ROUNDS * len(STEPS) >= len(names):
        assert not [name for name in names if not seen[name]], "no trouble is missed"


def clear(found: Course, step: Step, plan: str, trouble: Trouble, code: int, envelope: dict[str, Any], *, met: bool) -> None:
    """What a command in trouble must tell."""
    assert code in (trouble.codes if met else {OK})
    data = envelope["data"]
    assert data["drifted"] == 0, "nobody else wrote"
    # Whom the storage does not know, or takes nothing from, stops where it is; all others try every action.
    if code != CREDENTIALS and [one["code"] for one in envelope["problems"]] != ["slow-down"]:
        assert found.finished(step, plan, data) == (code == OK)
    assert envelope["ok"] == (code == OK)
    if code == OK:
        return
    (problem,) = envelope["problems"]
    assert problem["message"]
    assert trouble.says in problem["message"]
    assert "incident resume" in problem["hint"]
    assert str(envelope["data"]["plan_id"]) == plan
