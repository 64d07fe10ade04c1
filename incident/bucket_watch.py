"""Whether a plan's buckets are still as it was made for: their server, versioning, and what may expire in them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from incident.errors import ConfigError
from incident.storage.port import ObjectStore
from runbooks.guarantees import Guarantees
from runbooks.plan import Plan
from runbooks.survey import BucketState

Recall = Callable[[ObjectStore, BucketState], Guarantees | None]
_WHOLE_EVERY = 64
"""Every so many looks everything is asked; in between only the versioning, which decides whether a delete destroys."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. ``moved``: why nothing may be begun there; empty when it may."""

    state: BucketState
    moved: str


@dataclass
class BucketWatch:
    """Looks before each chunk. On a bucket whose versioning is not as planned a plain DELETE may destroy.

    ``recall`` makes a store know what was found out of its server before.
    """

    plan: Plan
    recall: Recall | None = None
    _looks: dict[tuple[int, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, reader: ObjectStore, bucket: str, *, settling: bool = False) -> Seen:
        """Raises ConfigError when it is not even the planned server's bucket and something is to be settled: no other can tell."""
        with self._lock:
            number = self._looks.get((id(reader), bucket), 0)
            self._looks[id(reader), bucket] = number + 1
        now = reader.state(bucket, brief=bool(number % _WHOLE_EVERY))
        if number == 0 and self.recall is not None and (known := self.recall(reader, now)) is not None:
            now = replace(now, guarantees=known)
        return Seen(now, self._moved(now, settling=settling))

    def _moved(self, now: BucketState, *, settling: bool) -> str:
        known = [terms for terms in self.plan.buckets if terms.bucket == now.bucket]
        if now.terms in known and now.versioning == "Enabled":
            return ""
        if not known:
            return f"{now.bucket} is not in the plan"
        planned = next((terms for terms in known if terms.server == now.server), known[0])
        if now.server != planned.server:
            why = f"the plan is for {now.bucket} of {planned.server or 'another server'}, and [[storage]] now leads to {now.server}"
            if settling:
                raise ConfigError(why, "set endpoint in [[storage]] back; then: incident resume", code="moved")
            return why
        return planned.difference(now.terms) or f"{now.bucket}: versioning is {now.versioning}"
