"""Object actions on a versioned bucket: look, compare, intend, act, look again.

An object written after the plan is never lost, nor hidden once this is through: effects are conditional, and if the version
beneath ours is not the planned one, ours is removed by its version id. We remove nothing else but the delete markers that a plan
names. Where nobody can say whether a version is ours, it stays and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from incident.bucket_watch import BucketWatch, Recall, Seen
from incident.cell_sweep import Span
from incident.journal import Journal, Outcome
from incident.object_chunks import KINDS, Cells, brings_completion
from incident.object_evidence import check, settle, uploaded, verify
from incident.object_requests import look, unchanged
from incident.object_tries import Tries, concluded
from incident.object_workers import Workers
from incident.outputs import place
from incident.storage.port import ObjectStore, Upload
from runbooks.plan import CopyVersion, ObjectAction, Plan, PlannedCell, PutMarker
from runbooks.survey import KeyHistory

__all__ = ["AT_ONCE", "KINDS", "ObjectActions"]

AT_ONCE = 8
"""Chunks in flight; each waits for the storage most of the time."""

Stores = Callable[[str, str], ObjectStore]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What one chunk is about."""

    actions: Mapping[int, ObjectAction]
    doubtful: Sequence[int]
    bucket: str
    store: ObjectStore
    journal: Journal
    span: Span | None
    seen: Seen


class ObjectActions:
    """Performs the object actions of one plan. ``stores`` opens the store of a bucket and prefix; ``clock`` is in ns UTC.

    ``workers``: how many requests of one chunk are sent side by side; with 1 everything happens one after the other. Any number of
    threads may perform chunks.
    """

    def __init__(
        self,
        plan: Plan,
        stores: Stores,
        clock: Callable[[], int],
        workers: int = 32,
        pause: Callable[[float], None] | None = None,
        recall: Recall | None = None,
    ) -> None:
        self._plan, self._stores, self._clock = plan, stores, clock
        self._cells = Cells(plan)
        self._watch = BucketWatch(plan, recall)
        self._workers = Workers(workers, pause)
        self._places = {str(cell): cell.url for cell in plan.cells}

    def chunks(self, indices: Sequence[int]) -> Iterator[Sequence[int]]:
        """At most 1,000 actions of one kind and cell, in the plan's order; completion markers by themselves.

        What is in one chunk happens in any order, and a completion marker must go before the rest and come back after it.
        """
        return self._cells.chunks(indices)

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """One chunk, its intents and outcomes journalled.

        Raises StorageError, CredentialsMissing, ConfigError and TimelineUnwritable; what was sent by then stays in doubt in the
        journal, and performing the same chunk again settles it.
        """
        actions, span = self._cells.of(chunk)
        first = actions[chunk[0]]
        store = self._store(first)
        doubtful = [index for index in chunk if index in journal.state.doubtful]
        fresh = {index: action for index, action in actions.items() if index not in journal.state.doubtful}
        seen, proven = self._workers.both(
            lambda: self._watch.look(store, first.bucket, settling=bool(doubtful)),
            lambda: unchanged(store, first.bucket, fresh, span.after if span is not None else None),
        )
        self._performed(_Chunk(actions, doubtful, first.bucket, store, journal, span, seen), set() if seen.moved else proven)

    def _performed(self, one: _Chunk, proven: Collection[int]) -> None:
        """``proven``: what need not be looked at in full, as nothing of it was begun and it is as planned."""
        self._abort_uploads(one)
        moved = one.seen.moved
        # Where nothing may be begun any more, what was begun is settled all the same: it may hide somebody's data.
        looked_at = one.doubtful if moved else list(one.actions)
        rest = [one.actions[index] for index in looked_at if index not in proven]
        before = look(one.store, one.bucket, rest, self._workers, one.span, telling=False) if rest else {}
        first = next(iter(one.actions.values()))
        brings = brings_completion(first)
        undone = self._undone(first.cell, one.journal) if brings else {}
        ready: list[int] = []
        settled: dict[int, Outcome] = {}
        begun = set(one.doubtful)
        for index, action in one.actions.items():
            if index in proven:
                ready.append(index)
                continue
            found = before.get(action.key)
            verdict = self._settled(one, index, action, found) if index in begun else None
            if verdict is None and (drift := moved or check(action, found, begun=index in begun)):
                verdict = Outcome("drifted", None, drift)
            if verdict is None and brings:
                verdict = _early(action.key, undone)
            if verdict is None:
                ready.append(index)
            else:
                settled[index] = verdict
        one.journal.outcome(settled, self._clock())
        if ready:
            self._act(one, {index: one.actions[index] for index in ready}, before)

    def _settled(self, one: _Chunk, index: int, action: ObjectAction, found: KeyHistory | None) -> Outcome | None:
        """What came of an earlier try; None when it certainly had no effect."""
        state = one.journal.state
        made = state.made.get(index) or uploaded(action, found, state.uploads.get(index, {}))
        return concluded(
            one.store, action, settle(action, found, made, state.since.get(index), honoured=_honours(action, one.seen))
        )

    def _abort_uploads(self, one: _Chunk) -> None:
        """What a crash left half uploaded. Aborted before we look: what did not complete by then never will."""
        for index in one.doubtful:
            for upload_id in one.journal.state.uploads.get(index, {}):
                one.store.abort_upload(Upload(one.bucket, one.actions[index].key, upload_id))

    def _act(self, one: _Chunk, actions: Mapping[int, ObjectAction], before: Mapping[str, KeyHistory]) -> None:
        one.journal.intent(actions, self._clock())
        repeatable = all(_honours(action, one.seen) for action in actions.values())
        tries = Tries(one.store, one.bucket, before, one.journal, self._clock, self._workers, repeatable)
        tries.through(actions, one.span)

    def settle_sent(self, chunk: Sequence[int], journal: Journal, errors: Mapping[int, str], unsure: Collection[int]) -> None:
        """The outcomes of requests that somebody else sent for us, by a look at each.

        ``errors``: why one had no effect, if it had none. ``unsure``: may still be under way, so that not seeing it proves nothing.
        """
        actions, span = self._cells.of(chunk)
        first = actions[chunk[0]]
        store = self._store(first)
        now = self._watch.look(store, first.bucket, settling=True)
        found = look(store, first.bucket, actions.values(), self._workers, span)
        results: dict[int, Outcome] = {}
        for index, action in actions.items():
            history, made = found.get(action.key), journal.state.made.get(index)
            since = journal.state.since.get(index)
            seen = verify(action, history, made) if made else settle(action, history, None, since, honoured=_honours(action, now))
            outcome = concluded(store, action, seen)
            if outcome is None and (drift := check(action, history)):
                outcome = Outcome("drifted", None, drift)
            results[index] = outcome or Outcome("unknown" if index in unsure else "failed", None, errors.get(index, ""))
        journal.outcome(results, self._clock())

    def _undone(self, cell: str, journal: Journal) -> dict[str, str]:
        """What is not done of a cell, but for its completion markers: key → status."""
        outcomes, own = journal.state.outcomes, self._cells.completions(cell)
        left = ((index, outcomes.status(index)) for index in self._cells.indices(cell))
        keys = ((self._cells.action(index).key, status or "left") for index, status in left if status != "done")
        return {key: status for key, status in keys if key not in own}

    # --- beside the chunks ------------------------------------------------------------------------------------------------

    def strays(self) -> dict[str, str]:
        """Look at every cell once more: what was written since the plan under other names was not covered, nor set back.

        Cells without any action are this family's too, as long as they lie somewhere: nothing may have come to lie there.
        """
        cells = [cell for cell in self._plan.cells if self._cells.ours(cell)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = zip(cells, pool.map(self._stray, cells), strict=True)
            return {str(cell): why for cell, why in found if why}

    def _stray(self, cell: PlannedCell) -> str:
        if (swept := self._cells.swept(cell)) is not None:
            return swept.differs(cell.rest)
        bucket, prefix = place(cell.url)
        return self._cells.beside(cell, self._stores(bucket, prefix).histories(bucket, prefix)).differs(cell.rest)

    def _store(self, action: ObjectAction) -> ObjectStore:
        """The store that the cell was surveyed in; a key may be covered by a narrower [[storage]] entry."""
        _, _, prefix = self._places.get(action.cell, "").removeprefix("s3://").partition("/")
        return self._stores(action.bucket, prefix or action.key)

    def moved(self) -> str:
        """Why a bucket is not what the plan relies on; empty when all are."""
        found: dict[tuple[str, int], str] = {}
        for action in self._cells.one_per_cell():
            store = self._store(action)
            if (action.bucket, id(store)) not in found:
                found[action.bucket, id(store)] = self._watch.look(store, action.bucket).moved
        return next((why for why in found.values() if why), "")


def _honours(action: ObjectAction, seen: Seen) -> bool:
    """Whether the server was seen to honour the condition that the action's request carries."""
    honoured = seen.state.guarantees
    match action:
        case PutMarker():
            return "conditional-batch-delete" in honoured and "conditional-delete" in honoured
        case CopyVersion():
            return ("copy-if-absent" if action.requires.is_marker else "copy-if-match") in honoured
        case _:
            return False


def _early(key: str, undone: Mapping[str, str]) -> Outcome | None:
    """Why the word that a folder is complete must not come back: some of it has not."""
    folder = key.rpartition("/")[0] + "/"
    left = {status for other, status in undone.items() if other.startswith(folder)}
    if "drifted" in left:
        return Outcome("drifted", None, "other objects beside it changed, so that it would call complete what is not")
    return Outcome("failed", None, "other objects beside it are not back yet") if left else None
