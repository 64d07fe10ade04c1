"""What object actions ask of a store: the effects of one chunk, and the look at its keys before and after.

A per-action error is told as text: "PreconditionFailed" and "NoSuchKey" (the condition did not hold), "Throttled…" (certainly not
performed), "Faulted…" (the server is through with the request and says that it failed; it may have been performed all the same),
"Unanswered…" (nobody knows, and it may still be under way), anything else is final.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import partial
from typing import assert_never

from incident.cell_sweep import Span
from incident.errors import ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.object_workers import Workers
from incident.storage.port import ObjectStore, Planned, Upload
from lineage.timestamps import parse
from runbooks.plan import CopyVersion, ObjectAction, PutMarker, RemoveMarkers, RemoveOwn
from runbooks.survey import KeyHistory, ObjectVersion

CHUNK = 1_000
_LISTED = tuple(one.name for one in fields(ObjectVersion))
Made = dict[int, str | None]
"""The version id of what we made; None where the server did not tell, or where nothing is made."""

THROTTLED, FAULTED, UNANSWERED = "Throttled", "Faulted", "Unanswered"
_SLOW = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
_OWN_FAULT = frozenset({"InternalError", "ServiceUnavailable"})
_SPARSE = 4
"""Beyond so many times as many keys as are wanted (and a page), keys are asked for one by one instead of listed."""


def send(
    store: ObjectStore,
    bucket: str,
    actions: Mapping[int, ObjectAction],
    before: Mapping[str, KeyHistory],
    workers: Workers,
    told: Callable[[int, Upload], None],
) -> tuple[Made, dict[int, str]]:
    """Send the requests of one kind, each once. ``told`` hears of multipart uploads, as ``ObjectStore.copy_object`` says."""
    made: Made = {}
    errors: dict[int, str] = {}
    match next(iter(actions.values())):
        case PutMarker():
            indices = {action.key: index for index, action in actions.items()}
            etags = {action.key: action.requires.etag for action in actions.values()}
            try:
                with workers.request():
                    marked = store.put_markers(bucket, etags)
                for one in marked:
                    made[indices[one.key]] = one.marker
                    if one.error:
                        errors[indices[one.key]] = classified(one.error)
            except StorageError as error:
                errors = dict.fromkeys(actions, _said(error))
        case CopyVersion():
            copy = partial(_copy, store, bucket, before, workers, told)
            answers = workers.each(lambda one: copy(*one), actions.items())
            for index, (version_id, error_code) in zip(actions, answers, strict=True):
                made[index] = version_id
                if error_code:
                    errors[index] = error_code
        case RemoveMarkers() | RemoveOwn():
            errors = _remove(store, bucket, actions, workers)
        case never:
            assert_never(never)
    workers.answered(throttled=any(error.startswith(THROTTLED) for error in errors.values()))
    return made, errors


def classified(error: str) -> str:
    """A per-key error of a batch, which begins with the server's code, by what it means for a second try."""
    code, _, _ = error.removeprefix(f"{UNANSWERED}: ").partition(" ")
    if code.rstrip(":") in _SLOW:
        return f"{THROTTLED}: {error}"
    return f"{FAULTED}: {error.removeprefix(f'{UNANSWERED}: ')}" if code.rstrip(":") in _OWN_FAULT else error


def _said(error: StorageError) -> str:
    if error.code == "slow-down":
        return f"{THROTTLED}: {error.message}"
    return f"{UNANSWERED}: {error.message}" if isinstance(error, StorageUnreachable) else error.message


def _copy(
    store: ObjectStore,
    bucket: str,
    before: Mapping[str, KeyHistory],
    workers: Workers,
    told: Callable[[int, Upload], None],
    index: int,
    action: ObjectAction,
) -> tuple[str | None, str]:
    if not isinstance(action, CopyVersion):
        raise TypeError(f"{action.op} is not a copy")
    source = next(version for version in before[action.key].versions if version.version_id == action.source_version_id)
    if action.carries is not None and source.etag == action.source_etag:
        # Asked when the plan was made, and a version stays what it is; what a listing tells is of now.
        source = Planned(**{name: getattr(source, name) for name in _LISTED}, carries=action.carries)
    over = None if action.requires.is_marker else action.requires.etag
    try:
        with workers.request():
            return store.copy_version(source, bucket, over=over, told=partial(told, index)), ""
    except PreconditionFailed:
        return None, "PreconditionFailed"
    except ObjectMissing:
        return None, "the version to copy is gone"
    except StorageError as error:
        return None, _said(error)


def _remove(store: ObjectStore, bucket: str, actions: Mapping[int, ObjectAction], workers: Workers) -> dict[int, str]:
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
            with workers.request():
                answers = store.remove_versions(bucket, [(key, version_id) for _, key, version_id in batch])
        except StorageError as error:
            errors |= dict.fromkeys((index for index, _, _ in batch), _said(error))
            continue
        told = ((index, one.error) for (index, _, _), one in zip(batch, answers, strict=True))
        errors |= {index: classified(error) for index, error in told if error}
    return errors


def look(
    store: ObjectStore,
    bucket: str,
    actions: Iterable[ObjectAction],
    workers: Workers,
    span: Span | None = None,
    *,
    telling: bool = True,
) -> dict[str, KeyHistory]:
    """The histories of the actions' keys now: one listing over their range, then one each for any that it did not show.

    ``span``: their part of a cell. Unless ``telling`` is false, it is listed as a whole, and told of all other keys there.
    """
    wanted = {action.key: action for action in actions}
    first, last = min(wanted), max(wanted)  # the order of the bytes of UTF-8 is that of the code points
    if span is not None and telling:
        prefix, after, to_end = span.sweep.prefix, span.after, span.to_end
        last = max(span.keys)
    elif span is not None:
        prefix, after, to_end = _common_prefix(first, last), span.after, False
    else:
        prefix, to_end = _common_prefix(first, last), False
        # From the first on, which is then asked for by itself: a marker that is a key means the same to every server.
        after = first if len(first) > len(prefix) else None
    upto = None if to_end or last not in wanted else _oldest(wanted[last])
    found: dict[str, KeyHistory] = {}
    left = len(wanted.keys() - {after})
    whole, others = True, 0
    for history in store.histories(bucket, prefix, after, upto):
        if not to_end and history.key > last:
            break
        if history.key in wanted and history.key != after:
            found[history.key] = history
            left -= 1
        else:
            others += 1
            if span is not None and telling and history.current is not None and history.key not in span.keys:
                span.others.append(history)
        if not to_end and (left == 0 if span is None else history.key == last):
            break
        if others > _SPARSE * len(wanted) + CHUNK:
            whole = False
            break
    missing = sorted(wanted.keys() - found.keys())
    singles = workers.each(lambda key: store.history(bucket, key), missing)
    found |= {single.key: single for single in singles if single is not None}
    if span is not None and telling:
        span.sweep.seen(span, whole=whole)
    return found


def _oldest(action: ObjectAction) -> tuple[str, str] | None:
    """The oldest version that says what came of an action, where one does: what is older need not be listed."""
    match action:
        case PutMarker():
            return action.key, action.requires.version_id
        case CopyVersion():
            return action.key, action.source_version_id
        case RemoveMarkers():
            return action.key, action.uncovers
        case RemoveOwn():
            return None
        case never:
            assert_never(never)


def unchanged(store: ObjectStore, bucket: str, actions: Mapping[int, ObjectAction], after: str | None) -> set[int]:
    """Of some markers to put, those whose object is certainly the planned one still.

    By a listing of current objects: a page for a thousand of them, however many versions they have. Another version of the same
    bytes has another time; where that is a whole second and two writes shared it, the plan was made within that second, and the
    look afterwards is there. What this does not show is looked at in full. ``after``: a key before all of them, if one is known.
    """
    wanted = {action.key: (index, action) for index, action in actions.items() if isinstance(action, PutMarker)}
    if not wanted:
        return set()
    first, last = min(wanted), max(wanted)
    proven: set[int] = set()
    others = 0
    for now in store.currents(bucket, _common_prefix(first, last), after or first[:-1] or None):
        if now.key > last:
            break
        if now.key not in wanted:
            others += 1
            if others > _SPARSE * len(wanted) + CHUNK:
                break
            continue
        index, action = wanted[now.key]
        planned = (action.requires.etag, action.size, parse(action.last_modified) if action.last_modified else None)
        if (now.etag, now.size, now.last_modified) == planned and not action.requires.is_marker:
            proven.add(index)
        if now.key == last:
            break
    return proven


def _common_prefix(first: str, last: str) -> str:
    length = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), min(len(first), len(last)))
    return first[:length]
