"""Steps in flight: each once, never more than allowed, and never before what they must wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident.steps import Step, walk

STEPS = st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.booleans(), st.sampled_from([0.0, 0.0, 0.001])), max_size=14)


class Performed:
    """Notes when each step began and ended, by one counter."""

    def __init__(self, pauses: dict[int, float], failing: int | None = None) -> None:
        self.began: dict[int, int] = {}
        self.ended: dict[int, int] = {}
        self.most = 0
        self._pauses, self._failing = pauses, failing
        self._now = 0
        self._lock = threading.Lock()

    def _tick(self) -> int:
        self._now += 1
        return self._now

    def __call__(self, step: Step) -> None:
        with self._lock:
            assert step[0] not in self.began
            self.began[step[0]] = self._tick()
            self.most = max(self.most, len(self.began) - len(self.ended))
        time.sleep(self._pauses[step[0]])
        with self._lock:
            self.ended[step[0]] = self._tick()
        if step[0] == self._failing:
            raise ValueError(step[0])


def planned(given_: list[tuple[str | None, bool, float]]) -> tuple[list[Step], dict[int, float]]:
    steps = [Step([number], lane, alone) for number, (lane, alone, _) in enumerate(given_)]
    return steps, {number: pause for number, (_, _, pause) in enumerate(given_)}


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(1, 4))
def test_every_step_is_done_once_and_waits_for_what_it_must(given_: list[tuple[str | None, bool, float]], at_once: int) -> None:
    steps, pauses = planned(given_)
    done, told = Performed(pauses), list[int]()
    walk(iter(steps), done, lambda step: told.append(step[0]), at_once=at_once)
    assert sorted(told) == sorted(done.ended) == list(range(len(steps)))
    assert done.most <= at_once
    for at, step in enumerate(steps):
        for earlier in steps[:at]:
            if step.after(earlier):
                assert done.ended[earlier[0]] < done.began[step[0]], (step, earlier)
    if at_once == 1:
        assert sorted(done.began, key=done.began.__getitem__) == list(range(len(steps)))


@settings(deadline=None, max_examples=40)
@given(STEPS.filter(bool), st.integers(1, 4), st.data())
def test_after_a_failure_nothing_is_begun_and_what_is_in_flight_ends(
    given_: list[tuple[str | None, bool, float]], at_once: int, data: st.DataObject
) -> None:
    steps, pauses = planned(given_)
    failing = data.draw(st.integers(0, len(steps) - 1))
    done = Performed(pauses, failing)
    with pytest.raises(ValueError, match=str(failing)):
        walk(iter(steps), done, lambda _step: None, at_once=at_once)
    assert done.began.keys() == done.ended.keys(), "nobody is left acting"
    assert len([one for one in done.began.values() if one > done.ended[failing]]) <= at_once - 1


def test_many_steps_are_not_asked_for_long_before_they_are_done() -> None:
    asked: list[int] = []
    ahead: list[int] = []

    def chunks() -> Iterator[Step]:
        for number in range(1_000):
            asked.append(number)
            yield Step([number], str(number % 5))

    done: list[int] = []

    def ended(step: Step) -> None:
        done.append(step[0])
        ahead.append(len(asked) - len(done))

    walk(chunks(), lambda _step: None, ended, at_once=3)
    assert len(done) == 1_000
    assert max(ahead) < 100


def test_a_step_of_no_lane_is_performed_by_the_thread_that_hears_signals() -> None:
    threads = []
    walk([[0], [1]], lambda _step: threads.append(threading.current_thread()), lambda _step: None, at_once=4)
    assert threads == [threading.main_thread()] * 2


def test_who_stops_in_between_leaves_nobody_acting() -> None:
    done = Performed(dict.fromkeys(range(20), 0.001))

    def stop(_step: Step) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        walk([Step([number], str(number)) for number in range(20)], done, stop, at_once=3)
    assert done.began.keys() == done.ended.keys()
    assert 1 <= len(done.began) <= 6
