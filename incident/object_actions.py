"""Object actions on a versioned bucket: look, compare, intend, act, look again.

An object written after the plan is never lost, nor hidden once this is through: effects are conditional, and if the version
beneath ours is not the planned one, ours is removed by its version id. We remove nothing else but the delete markers that a plan
names. Where nobody can say whether a version is ours, it stays and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import assert_never

from incident.errors import ConfigError, ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.journal import Journal, Outcome
from incident.object_evidence import Look, check, settle, verify
from incident.storage.port import ObjectStore
from runbooks.plan import CopyVersion, ObjectAction, Plan, PlannedCell, PutMarker, RemoveMarkers, RemoveOwn, RunJob
from runbooks.survey import KeyHistory, rest

CHUNK = 1_000
_AT_ONCE = 8
Stores = Callable[[str, str], ObjectStore]
Made = dict[int, str | None]
"""The version id of what we made; None where the server did not tell, or where nothing is made."""


class ObjectActions:
    """Performs the object actions of one plan. ``stores`` opens the store of a bucket and prefix; ``clock`` is in ns UTC."""

    def __init__(self, plan: Plan, stores: Stores, clock: Callable[[], int], workers: int = 32) -> None:
        self._plan, self._stores, self._clock, self._workers = plan, stores, clock, workers
        self._acted: dict[str, set[str]] = {}
        for action in plan.actions:
            if not isinstance(action, RunJob):
                self._acted.setdefault(action.cell, set()).add(action.key)
        self._places = {str(cell): cell.url for cell in plan.cells}

    def chunks(self, indices: Sequence[int]) -> list[list[int]]:
        """At most 1,000 actions of one kind, bucket and cell, in the plan's order."""
        found: list[list[int]] = []
        for index in indices:
            action = self.action(index)
            last = self.action(found[-1][-1]) if found else None
            fits = last and (last.op, last.bucket, last.cell) == (action.op, action.bucket, action.cell)
            if fits and len(found[-1]) < CHUNK:
                found[-1].append(index)
            else:
                found.append([index])
        return found

    def action(self, index: int) -> ObjectAction:
        found = self._plan.actions[index]
        if isinstance(found, RunJob):
            raise TypeError(f"{self._plan.id} runs jobs; its actions are not on objects")
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
        ready: list[int] = []
        settled: dict[int, Outcome] = {}
        for index, action in actions.items():
            found = before.get(action.key)
            verdict = self._settled(store, journal, index, action, found)
            if verdict is None and (drift := moved or check(action, found, begun=index in doubtful)):
                verdict = Outcome("drifted", None, drift)
            if verdict is None:
                ready.append(index)
            else:
                settled[index] = verdict
        journal.outcome(settled, self._clock())
        if ready:
            self._act(store, bucket, {index: actions[index] for index in ready}, before, journal)

    def finish(self, journal: Journal) -> None:
        """Look at every cell once more: what was written since the plan under other names was not covered, nor set back."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(self._plan.cells, pool.map(self._stray, self._plan.cells), strict=True)
            journal.strays({str(cell): why for cell, why in found if why}, self._clock())

    def _stray(self, cell: PlannedCell) -> str:
        bucket, _, prefix = cell.url.removeprefix("s3://").partition("/")
        if not prefix:
            return "it is not known where it lies"
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
        for action in map(self.action, range(len(self._plan.actions))):
            found.setdefault((action.bucket, id(self._store(action))), action)
        return list(found.values())

    def _moved(self, store: ObjectStore, bucket: str, *, settling: bool) -> str:
        """On a bucket whose versioning is not as planned a plain DELETE may destroy: then nothing at all is done there.

        Raises ConfigError when it is not even the planned server's bucket and something is to be settled: no other can tell.
        """
        now = store.state(bucket)
        known = [terms for terms in self._plan.buckets if terms[0] == bucket]
        if now.terms in known and now.versioning == "Enabled":
            return ""
        if not known:
            return f"{bucket} is not in the plan"
        planned = next((terms for terms in known if terms[2] == now.terms[2]), known[0])
        if now.terms[2] != planned[2]:
            why = f"the plan is for {bucket} of {planned[2] or 'another server'}, and [[storage]] now leads to {now.terms[2]}"
            if settling:
                raise ConfigError(why, "set endpoint in [[storage]] back; then: incident resume", code="moved")
            return why
        if now.terms[1] != planned[1] or now.versioning != "Enabled":
            return f"versioning of {bucket} is {now.terms[1]}, planned was {planned[1]}"
        return f"the lifecycle rules of {bucket} now expire covered versions: {now.terms[3]}; planned was {planned[3]}"

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
        made, errors = self._send(store, bucket, actions, before)
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

    def _send(
        self, store: ObjectStore, bucket: str, actions: Mapping[int, ObjectAction], before: Mapping[str, KeyHistory]
    ) -> tuple[Made, dict[int, str]]:
        """Send the requests of one kind. A per-action error is a code, or "Unanswered…" where the effect is unknown."""
        made: Made = {}
        errors: dict[int, str] = {}
        match next(iter(actions.values())):
            case PutMarker():
                indices = {action.key: index for index, action in actions.items()}
                etags = {action.key: action.requires.etag for action in actions.values()}
                try:
                    for one in store.put_markers(bucket, etags):
                        made[indices[one.key]] = one.marker
                        if one.error:
                            errors[indices[one.key]] = one.error
                except StorageError as error:
                    errors = dict.fromkeys(actions, _said(error))
            case CopyVersion():
                with ThreadPoolExecutor(self._workers) as pool:
                    answers = pool.map(lambda item: _copy(store, bucket, item[1], before[item[1].key]), actions.items())
                    for index, (version_id, error_code) in zip(actions, answers, strict=True):
                        made[index] = version_id
                        if error_code:
                            errors[index] = error_code
            case RemoveMarkers() | RemoveOwn():
                errors = _remove(store, bucket, actions)
            case never:
                assert_never(never)
        return made, errors


def _makes(action: ObjectAction) -> bool:
    return isinstance(action, PutMarker | CopyVersion)


def _said(error: StorageError) -> str:
    return f"Unanswered: {error.message}" if isinstance(error, StorageUnreachable) else error.message


def _copy(store: ObjectStore, bucket: str, action: ObjectAction, found: KeyHistory) -> tuple[str | None, str]:
    if not isinstance(action, CopyVersion):
        raise TypeError(f"{action.op} is not a copy")
    source = next(version for version in found.versions if version.version_id == action.source_version_id)
    over = None if action.requires.is_marker else action.requires.etag
    try:
        return store.copy_version(source, bucket, over=over), ""
    except PreconditionFailed:
        return None, "PreconditionFailed"
    except ObjectMissing:
        return None, "the version to copy is gone"
    except StorageError as error:
        return None, _said(error)


def _remove(store: ObjectStore, bucket: str, actions: Mapping[int, ObjectAction]) -> dict[int, str]:
    """Remove what the actions name, newest first: a crash in between leaves a key covered, never half uncovered."""
    errors: dict[int, str] = {}
    pairs: list[tuple[int, str, str]] = []
    for index, action in actions.items():
        match action:
            case RemoveMarkers():
                pairs += [(index, action.key, version_id) for version_id in action.version_ids]
            case RemoveOwn():
                pairs.append((index, action.key, action.requires.version_id))
            case _:
                raise TypeError(f"{action.op} removes nothing")
    for start in range(0, len(pairs), CHUNK):
        batch = pairs[start : start + CHUNK]
        try:
            answers = store.remove_versions(bucket, [(key, version_id) for _, key, version_id in batch])
        except StorageError as error:
            errors |= dict.fromkeys((index for index, _, _ in batch), _said(error))
            continue
        errors |= {index: one.error for (index, _, _), one in zip(batch, answers, strict=True) if one.error}
    return errors


def look(store: ObjectStore, bucket: str, keys: Sequence[str]) -> dict[str, KeyHistory]:
    """The histories of these keys now: one listing over their range, then one each for any that it did not show."""
    wanted = set(keys)
    last = max(keys, key=_order).encode()
    first = min(keys, key=_order)
    prefix = _common_prefix(first, max(keys, key=_order))
    # From the first on, which is then asked for by itself: a marker that is a key means the same to every server.
    after = first if len(first) > len(prefix) else None
    found: dict[str, KeyHistory] = {}
    for history in store.histories(bucket, prefix, after):
        if history.key in wanted and history.key != after:
            found[history.key] = history
        if len(found) == len(wanted - {after}) or history.key.encode() > last:
            break
    for key in wanted - found.keys():
        if (single := store.history(bucket, key)) is not None:
            found[key] = single
    return found


def _order(key: str) -> bytes:
    return key.encode()


def _common_prefix(first: str, last: str) -> str:
    length = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), min(len(first), len(last)))
    return first[:length]
