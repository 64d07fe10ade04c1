"""Object actions on a versioned bucket: look, compare, intend, act, look again.

An object written after the plan is never lost, nor hidden once this is through: effects are conditional, and if the version
beneath ours is not the planned one, ours is removed by its version id. We remove nothing else but the delete markers that a plan
names. Where nobody can say whether a version is ours, it stays and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from incident.errors import ConfigError, ObjectMissing, StorageError
from incident.journal import Journal, Outcome
from incident.object_evidence import Look, check, settle, verify
from incident.object_requests import CHUNK, look, send
from incident.outputs import place
from incident.storage.port import ObjectStore
from runbooks.facts import marks_completion
from runbooks.plan import CopyVersion, ObjectAction, Plan, PlannedCell, PutMarker, RemoveMarkers, RemoveOwn, RunJob
from runbooks.survey import KeyHistory, rest

KINDS = (PutMarker, CopyVersion, RemoveMarkers, RemoveOwn)
_AT_ONCE = 8
Stores = Callable[[str, str], ObjectStore]


class ObjectActions:
    """Performs the object actions of one plan. ``stores`` opens the store of a bucket and prefix; ``clock`` is in ns UTC."""

    def __init__(self, plan: Plan, stores: Stores, clock: Callable[[], int], workers: int = 32) -> None:
        self._plan, self._stores, self._clock, self._workers = plan, stores, clock, workers
        self._acted: dict[str, set[str]] = {}
        for action in plan.actions:
            if isinstance(action, KINDS):
                self._acted.setdefault(action.cell, set()).add(action.key)
        self._places = {str(cell): cell.url for cell in plan.cells}

    def chunks(self, indices: Sequence[int]) -> list[list[int]]:
        """At most 1,000 actions of one kind, bucket and cell, in the plan's order; completion markers by themselves.

        What is in one chunk happens in any order, and a completion marker must go before the rest and come back after it.
        """
        found: list[list[int]] = []
        for index in indices:
            action = self.action(index)
            last = self.action(found[-1][-1]) if found else None
            fits = last and _kind(last) == _kind(action)
            if fits and len(found[-1]) < CHUNK:
                found[-1].append(index)
            else:
                found.append([index])
        return found

    def action(self, index: int) -> ObjectAction:
        found = self._plan.actions[index]
        if not isinstance(found, KINDS):
            raise TypeError(f"{self._plan.id}: {found.op!r} is not an action on object versions")
        return found

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """One chunk, its intents and outcomes journalled.

        Raises StorageError, CredentialsMissing, ConfigError and TimelineUnwritable; what was sent by then stays in doubt in the
        journal, and performing the same chunk again settles it.
        """
        actions = {index: self.action(index) for index in chunk}
        first = actions[chunk[0]]
        bucket, store = first.bucket, self._store(first)
        doubtful = [index for index in chunk if index in journal.state.doubtful]
        moved = self._moved(store, bucket, settling=bool(doubtful))
        # Where nothing may be begun any more, what was begun is settled all the same: it may hide somebody's data.
        looked_at = doubtful if moved else chunk
        before = look(store, bucket, [actions[index].key for index in looked_at]) if looked_at else {}
        brings = _brings_completion(first)
        undone = self._undone(first.cell, journal) if brings else {}
        ready: list[int] = []
        settled: dict[int, Outcome] = {}
        for index, action in actions.items():
            found = before.get(action.key)
            verdict = self._settled(store, journal, index, action, found)
            if verdict is None and (drift := moved or check(action, found, begun=index in doubtful)):
                verdict = Outcome("drifted", None, drift)
            if verdict is None and brings:
                verdict = _early(action.key, undone)
            if verdict is None:
                ready.append(index)
            else:
                settled[index] = verdict
        journal.outcome(settled, self._clock())
        if ready:
            self._act(store, bucket, {index: actions[index] for index in ready}, before, journal)

    def _undone(self, cell: str, journal: Journal) -> dict[str, str]:
        """What is not done of a cell, but for its completion markers: key → status."""
        found: dict[str, str] = {}
        for index, action in enumerate(self._plan.actions):
            if not isinstance(action, KINDS):
                continue
            outcome = journal.state.outcomes.get(index)
            if action.cell == cell and (outcome is None or outcome.status != "done") and not marks_completion(action.key):
                found[action.key] = outcome.status if outcome is not None else "left"
        return found

    def strays(self) -> dict[str, str]:
        """Look at every cell once more: what was written since the plan under other names was not covered, nor set back.

        Cells without any action are this family's too, as long as they lie somewhere: nothing may have come to lie there.
        """
        others = {action.cell for action in self._plan.actions if not isinstance(action, (*KINDS, RunJob))}
        cells = [cell for cell in self._plan.cells if cell.url and str(cell) not in others - self._acted.keys()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(cells, pool.map(self._stray, cells), strict=True)
            return {str(cell): why for cell, why in found if why}

    def _stray(self, cell: PlannedCell) -> str:
        bucket, prefix = place(cell.url)
        acted = self._acted.get(str(cell), set())
        others = [one for one in self._stores(bucket, prefix).histories(bucket, prefix) if one.key not in acted]
        if rest(others) == cell.rest:
            return ""
        lying = [one.key for one in others if one.current is not None]
        if cell.rest or not lying:
            return "objects that the plan leaves alone were written or deleted since the plan"
        return f"{len(lying)} objects were written there since the plan, the first {lying[0]}"

    def _store(self, action: ObjectAction) -> ObjectStore:
        """The store that the cell was surveyed in; a key may be covered by a narrower [[storage]] entry."""
        _, _, prefix = self._places.get(action.cell, "").removeprefix("s3://").partition("/")
        return self._stores(action.bucket, prefix or action.key)

    def moved(self) -> str:
        """Why a bucket is not what the plan relies on; empty when all are."""
        found = (self._moved(self._store(action), action.bucket, settling=False) for action in self._one_per_place())
        return next((why for why in found if why), "")

    def _one_per_place(self) -> list[ObjectAction]:
        found: dict[tuple[str, int], ObjectAction] = {}
        for action in self._plan.actions:
            if not isinstance(action, KINDS):
                continue
            found.setdefault((action.bucket, id(self._store(action))), action)
        return list(found.values())

    def _moved(self, store: ObjectStore, bucket: str, *, settling: bool) -> str:
        """On a bucket whose versioning is not as planned a plain DELETE may destroy: then nothing at all is done there.

        Raises ConfigError when it is not even the planned server's bucket and something is to be settled: no other can tell.
        """
        now = store.state(bucket)
        known = [terms for terms in self._plan.buckets if terms.bucket == bucket]
        if now.terms in known and now.versioning == "Enabled":
            return ""
        if not known:
            return f"{bucket} is not in the plan"
        planned = next((terms for terms in known if terms.server == now.server), known[0])
        if now.server != planned.server:
            why = f"the plan is for {bucket} of {planned.server or 'another server'}, and [[storage]] now leads to {now.server}"
            if settling:
                raise ConfigError(why, "set endpoint in [[storage]] back; then: incident resume", code="moved")
            return why
        return planned.difference(now.terms) or f"{bucket}: versioning is {now.versioning}"

    def _settled(
        self, store: ObjectStore, journal: Journal, index: int, action: ObjectAction, found: KeyHistory | None
    ) -> Outcome | None:
        """What came of an earlier try; None when there was none, or when it certainly had no effect."""
        if index not in journal.state.doubtful:
            return None
        return self._concluded(store, action, settle(action, found, journal.state.made.get(index)))

    def _concluded(self, store: ObjectStore, action: ObjectAction, seen: Look) -> Outcome | None:
        if seen.take_back is None:
            return seen.outcome
        try:
            store.remove_version(action.bucket, action.key, seen.take_back)
        except ObjectMissing:
            pass  # somebody was faster; it is gone
        except StorageError as error:
            return Outcome("unknown", seen.take_back, f"our version {seen.take_back} hides newer data: {error.message}")
        return seen.outcome

    def _act(
        self,
        store: ObjectStore,
        bucket: str,
        actions: Mapping[int, ObjectAction],
        before: Mapping[str, KeyHistory],
        journal: Journal,
    ) -> None:
        journal.intent(actions, self._clock())
        made, errors = send(store, bucket, actions, before, self._workers)
        journal.made({index: version for index, version in made.items() if version}, self._clock())
        after = look(store, bucket, [action.key for action in actions.values()])
        results: dict[int, Outcome] = {}
        for index, action in actions.items():
            found, error = after.get(action.key), errors.get(index, "")
            if error.startswith("Unanswered") or (index not in errors and made.get(index) is None and _makes(action)):
                # Not seen now does not mean never: the request may still be on its way.
                outcome = self._concluded(store, action, settle(action, found, None))
                results[index] = outcome or Outcome("unknown", None, error or "the server did not name the version it made")
            elif error in {"PreconditionFailed", "NoSuchKey"}:
                results[index] = Outcome("drifted", None, "it changed while the plan was applied")
            elif error:
                results[index] = Outcome("failed", None, error)
            else:
                results[index] = self._concluded(store, action, verify(action, found, made.get(index))) or Outcome("unknown")
        journal.outcome(results, self._clock())


def _kind(action: ObjectAction) -> tuple[str, str, str, bool, bool]:
    return action.op, action.bucket, action.cell, marks_completion(action.key), _brings_completion(action)


def _brings_completion(action: ObjectAction) -> bool:
    """Whether the action makes a completion marker current; an undo also takes back such that a revert had brought."""
    gone = isinstance(action, PutMarker) or (isinstance(action, RemoveOwn) and not action.requires.is_marker)
    return marks_completion(action.key) and not gone


def _early(key: str, undone: Mapping[str, str]) -> Outcome | None:
    """Why the word that a folder is complete must not come back: some of it has not."""
    folder = key.rpartition("/")[0] + "/"
    left = {status for other, status in undone.items() if other.startswith(folder)}
    if "drifted" in left:
        return Outcome("drifted", None, "other objects beside it changed, so that it would call complete what is not")
    return Outcome("failed", None, "other objects beside it are not back yet") if left else None


def _makes(action: ObjectAction) -> bool:
    return isinstance(action, PutMarker | CopyVersion)
