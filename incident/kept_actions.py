"""Actions that lie on disk: while they are planned in a temporary file, afterwards in the plan's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from incident.errors import IncidentError
from incident.frames import LINES, Frame, Framed, Raw, Spool
from runbooks.plan import Action
from runbooks.plan_lines import KeptActions, Summary, Tally, UnknownAction, action_of, line


class FramedActions(Framed[Action], KeptActions):
    """A plan's actions in frames of lines."""

    def __init__(self, frames: Sequence[Frame], raw: Raw, summary: Summary, what: str) -> None:
        super().__init__(frames, raw, lambda data: decoded(data, what), what)
        self._summary = summary

    @property
    def summary(self) -> Summary:
        return self._summary


def decoded(data: bytes, what: str) -> tuple[Action, ...]:
    """The actions of a frame. Raises IncidentError where one of its lines is none."""
    try:
        return tuple(action_of(text) for text in data.split(b"\n")[:-1])
    except UnknownAction as error:
        raise IncidentError(f"{what} cannot be read: {error}", "plan again", code="plan-damaged") from error


class ActionSpool:
    """Keeps a planner's actions: in memory while they fit into one frame, else in a temporary file. ``folder`` as for Spool."""

    def __init__(self, folder: Path | None = None, lines: int = LINES) -> None:
        self._folder, self._lines = folder, lines

    def __call__(self, actions: Iterable[Action]) -> Sequence[Action]:
        tally = Tally()
        spool: Spool | None = None
        frames: list[Frame] = []
        held: list[Action] = []
        waiting: list[bytes] = []
        for action in actions:
            if len(waiting) == self._lines:
                spool = spool or Spool(self._folder)
                frames.append(spool.add(_joined(waiting), len(waiting)))
                waiting, held = [], []
            waiting.append(tally.add(action))
            held.append(action)
        if spool is None:
            return tuple(held)
        frames.append(spool.add(_joined(waiting), len(waiting)))
        return FramedActions(frames, spool.raw, tally.summary(), "the temporary file of this plan")


def frames_of(actions: Sequence[Action], lines: int = LINES) -> Iterator[tuple[bytes, int]]:
    """The lines of actions in frames not yet compressed, each with the number of its lines."""
    waiting: list[bytes] = []
    for action in actions:
        waiting.append(line(action))
        if len(waiting) == lines:
            yield _joined(waiting), len(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting), len(waiting)


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"\n".join((*lines, b""))
