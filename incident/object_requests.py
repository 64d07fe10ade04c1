"""What object actions ask of a store: the effects of one chunk, and the look at its keys before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import assert_never

from incident.errors import ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.storage.port import ObjectStore
from runbooks.plan import CopyVersion, ObjectAction, PutMarker, RemoveMarkers, RemoveOwn
from runbooks.survey import KeyHistory

CHUNK = 1_000
Made = dict[int, str | None]
"""The version id of what we made; None where the server did not tell, or where nothing is made."""


def send(
    store: ObjectStore, bucket: str, actions: Mapping[int, ObjectAction], before: Mapping[str, KeyHistory], workers: int
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
            with ThreadPoolExecutor(workers) as pool:
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
