"""The effects of one chunk: sent, tried again where that is safe, looked at, and judged key by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from incident.cell_sweep import Span
from incident.errors import ObjectMissing, StorageError
from incident.journal import Journal, Outcome
from incident.object_evidence import Look, check, settle, uploaded, verify
from incident.object_requests import FAULTED, THROTTLED, UNANSWERED, Made, look, send
from incident.object_workers import PAUSES, Workers
from incident.storage.port import ObjectStore, Upload
from runbooks.plan import CopyVersion, ObjectAction, PutMarker
from runbooks.survey import KeyHistory

_CHANGED = "it changed while the plan was applied"
_UNNAMED = "the server did not name the version it made"
Actions = Mapping[int, ObjectAction]


@dataclass(frozen=True, slots=True)
class Tries:
    """Actions of one kind in one bucket, whose intent is durable."""

    store: ObjectStore
    bucket: str
    before: Mapping[str, KeyHistory]
    journal: Journal
    clock: Callable[[], int]
    workers: Workers
    repeatable: bool = False
    """Whether sending twice what makes a version is harmless: the server was seen to honour its condition."""

    def through(self, actions: Actions, span: Span | None) -> None:
        """Write the outcome of each.

        What was throttled was not performed, and goes again. Where the server answered that it failed by itself, we look first:
        only what had no effect goes again, and only if that is harmless. Removing a version by its id twice always is. A marker or
        copy is where the server honours its condition: should the first try take effect after all, then whichever comes second
        finds that the planned version is no longer on top, and changes nothing; the look tells which it was. Where there was no
        answer the request may still be under way, and is left in doubt for a resume to look at.

        Raises StorageError where the storage took none of them, however long we waited: the next chunk would fare no better.
        """
        left = dict(actions)
        doubted: set[int] = set()
        pauses = iter(PAUSES)
        while left:
            made, errors = self._sent(left)
            after = look(self.store, self.bucket, left.values(), self.workers, span)
            span = None  # what lies beside is told once
            faulted = {index for index, one in left.items() if self._again(one, errors.get(index, ""))}
            pause = next(pauses, None) if faulted else None
            results: dict[int, Outcome] = {}
            again: dict[int, ObjectAction] = {}
            for index, action in left.items():
                found = after.get(action.key)
                known = made.get(index) or uploaded(action, found, self.journal.state.uploads.get(index, {}))
                outcome = self._judged(action, found, known, errors.get(index, ""), doubted=index in doubted)
                if outcome is None and pause is not None and index in faulted:
                    if drift := check(action, found, begun=True):
                        outcome = Outcome("drifted", None, drift)
                    else:
                        again[index] = action
                        continue
                results[index] = outcome or Outcome("unknown", None, errors.get(index) or _UNNAMED)
            self.journal.outcome(results, self.clock())
            if all(errors.get(index, "").startswith(THROTTLED) for index in left):
                raise StorageError(
                    f"the storage asks to slow down, and has taken nothing in s3://{self.bucket} for {sum(PAUSES):.0f} s",
                    "wait a while",
                    code="slow-down",
                )
            left = again
            doubted |= again.keys()
            if left and pause is not None:
                self.workers.pause(pause)

    def _again(self, action: ObjectAction, error: str) -> bool:
        return error.startswith(FAULTED) and (self.repeatable or not _makes(action))

    def _sent(self, actions: Actions) -> tuple[Made, dict[int, str]]:
        """Send them; those that were throttled again, after a pause and fewer at once."""
        made, errors = self._noted(actions)
        for pause in PAUSES:
            slow = {index: action for index, action in actions.items() if errors.get(index, "").startswith(THROTTLED)}
            if not slow:
                break
            self.workers.pause(pause)
            made_now, errors_now = self._noted(slow)
            made |= made_now
            errors = {index: error for index, error in errors.items() if index not in slow} | errors_now
        return made, errors

    def _noted(self, actions: Actions) -> tuple[Made, dict[int, str]]:
        made, errors = send(self.store, self.bucket, actions, self.before, self.workers, self._uploading)
        self.journal.made({index: version for index, version in made.items() if version}, self.clock())
        return made, errors

    def _uploading(self, index: int, upload: Upload) -> None:
        self.journal.upload(index, upload.upload_id, upload.etag, self.clock())

    def _judged(
        self, action: ObjectAction, found: KeyHistory | None, made: str | None, error: str, *, doubted: bool
    ) -> Outcome | None:
        """What came of it; None where nobody knows yet. ``doubted``: an earlier try may have had its effect."""
        refused = error in {"PreconditionFailed", "NoSuchKey"}
        unnamed = not error and made is None and _makes(action)
        if error.startswith((UNANSWERED, FAULTED)) or unnamed or (refused and doubted):
            # Not seen now does not mean never: the request may still be on its way.
            return concluded(self.store, action, settle(action, found, made, honoured=self.repeatable))
        if refused:
            return Outcome("drifted", None, _CHANGED)
        if error:
            return Outcome("failed", None, error)
        return concluded(self.store, action, verify(action, found, made)) or Outcome("unknown")


def concluded(store: ObjectStore, action: ObjectAction, seen: Look) -> Outcome | None:
    """The outcome of a look, once what is to be taken back was."""
    if seen.take_back is None:
        return seen.outcome
    try:
        store.remove_version(action.bucket, action.key, seen.take_back)
    except ObjectMissing:
        pass  # somebody was faster; it is gone
    except StorageError as error:
        return Outcome("unknown", seen.take_back, f"our version {seen.take_back} hides newer data: {error.message}")
    return seen.outcome


def _makes(action: ObjectAction) -> bool:
    return isinstance(action, PutMarker | CopyVersion)
