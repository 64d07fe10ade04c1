"""What a bucket makes of our effects, in words for whoever reads the plan; refusals are elsewhere."""

from __future__ import annotations

from runbooks.guarantees import WITHOUT, Guarantee
from runbooks.survey import BucketState

COVERING: frozenset[Guarantee] = frozenset({"conditional-delete", "conditional-batch-delete", "marker-ids", "listing-order"})
"""What delete markers rely upon."""

COPYING: frozenset[Guarantee] = frozenset({"copy-source-match", "copy-if-absent", "copy-if-match", "tags-copied"})
"""What copies rely upon besides."""

LARGE: frozenset[Guarantee] = frozenset({"complete-if-absent", "complete-if-match"})
"""What copies in parts rely upon, of objects that are too large for one request."""


def cautions(state: BucketState, relied: frozenset[Guarantee]) -> tuple[str, ...]:
    """What to mind of a bucket before anything in it is changed. ``relied``: the guarantees that this plan has a use for."""
    name, found = state.bucket, []
    if state.retains and relied & COPYING:
        found.append(
            f"{name} retains every new version for {state.retains}: what is copied back cannot be taken away before that, "
            "so that it could not be undone"
        )
    if state.lock and not state.retains:
        found.append(f"{name} has Object Lock: a version that is retained or under legal hold can be covered, not removed")
    if state.replicated:
        found.append(
            f"{name} is replicated: copies, and perhaps delete markers, reach the other side; the removal of a version never does, "
            "so that an undo must be repeated there"
        )
    found += [
        f"{name}: a lifecycle rule archives covered versions of {one.prefix or 'everything'} after {one.days} days; "
        "they must be restored then before they can be read again"
        for one in state.archives
    ]
    if state.requester_pays:
        found.append(f"the requests to {name} are paid by whoever sends them: requester_pays = true in its [[storage]]")
    if state.hidden:
        found.append(f"{name}: we may not read its {', '.join(state.hidden)}, so that nobody knows")
    if state.acls == "unknown" and relied & COPYING:
        found.append(f"{name}: we may not read whether its objects have ACLs; copies get none")
    return (*found, *degraded(state, relied))


def degraded(state: BucketState, relied: frozenset[Guarantee]) -> tuple[str, ...]:
    """Which of these guarantees its server does not give, and what that means."""
    kept = state.guarantees
    if not kept.honoured and not kept.ignored:
        return (f"{state.bucket}: nobody knows which conditions its server honours ({kept.why}); none is relied upon",)
    found = [f"the server of {state.bucket} does not honour {one}: {WITHOUT[one]}" for one in kept.ignored if one in relied]
    if unknown := [one for one in kept.unknown if one in relied]:
        found.append(f"{state.bucket}: nobody knows whether its server honours {', '.join(unknown)} ({kept.why})")
    if found and state.versioning == "Enabled":
        found.append(f"{state.bucket} is looked at again after each step, and what of ours hides newer data is taken back")
    return tuple(found)
