"""What the versions that a plan copies carry: asked of the storage while the plan is made, many at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

from incident.context import Context
from incident.errors import KeyNeeded, StorageError, StorageUnreachable
from incident.language import plural
from incident.storage import open_reader
from incident.storage.port import Described, ObjectReader
from runbooks.actions import Action, Carried, CopyVersion
from runbooks.facts import Facts
from runbooks.plan import Refusal
from runbooks.plan_lines import Keep
from runbooks.survey import BucketState, CellSurvey

_WINDOW = 1_000
_AT_ONCE = 32


@dataclass
class Describing:
    """Keeps a planner's actions as ``keep`` does, with what each copy carries over.

    ``reader`` opens what can read the cell of a copy; ``states``: the surveyed buckets by their names.

    Raises CredentialsMissing, StorageUnreachable. A version that cannot be described stays in the plan as it is, and is told: what
    keeps it from being described keeps it from being copied.
    """

    keep: Keep
    reader: Callable[[CopyVersion], ObjectReader]
    states: Mapping[str, BucketState]
    lacking: list[str] = field(default_factory=list)
    keyed: Counter[str] = field(default_factory=Counter)
    """By their cells, how many versions only their owner's key opens."""
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, actions: Iterable[Action]) -> Sequence[Action]:
        return self.keep(self._described(actions))

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self.lacking:
            return ()
        return (f"{plural(len(self.lacking), 'version')} could not be looked at and will hardly be copied: {self.lacking[0]}",)

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """Cells that cannot come back whole. With consent the rest of them does, and what is left out fails by name."""
        why = "under a customer's own key (SSE-C), and cannot be copied without it: copy them with that key, or leave them"
        return tuple(
            Refusal(cell, f"{plural(count, 'object')} {why}", "customer-key") for cell, count in sorted(self.keyed.items())
        )

    def _described(self, actions: Iterable[Action]) -> Iterator[Action]:
        coming = iter(actions)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while window := list(islice(coming, _WINDOW)):
                if any(isinstance(action, CopyVersion) for action in window):
                    yield from pool.map(self._of, window)
                else:
                    yield from window

    def _of(self, action: Action) -> Action:
        if not isinstance(action, CopyVersion):
            return action
        try:
            found = self.reader(action).describe(action.bucket, action.key, action.source_version_id)
        except StorageUnreachable:
            raise
        except KeyNeeded:
            self._needs_key(action)
            return action
        except StorageError as error:
            self.lacking.append(error.message)
            return action
        if found.customer_key:
            self._needs_key(action)
            return action
        return replace(action, carries=carried(found, self.states.get(action.bucket)))

    def _needs_key(self, action: CopyVersion) -> None:
        with self._counting:
            self.keyed[action.cell] += 1


def carried(found: Described, state: BucketState | None) -> Carried:
    """What of a described version a plan keeps."""
    checksum = found.checksum
    encryption = f"{found.encryption.algorithm} {found.encryption.key_id}".strip()
    return Carried(
        checksum=f"{checksum.algorithm} {checksum.kind} {checksum.value}" if checksum is not None else None,
        encryption=encryption or None,
        tags=found.tags,
        acl=None if state is None or state.acls == "unknown" else state.acls == "on",
        bucket_key=found.encryption.bucket_key,
        redirect=dict(found.headers).get("WebsiteRedirectLocation", ""),
    )


def describing_copies(context: Context, facts: Facts) -> Describing:
    """For the plan of these facts: each copy is described by the reader that its cell was surveyed with."""
    surveys = {str(cell): survey for cell, survey in facts.surveys.items() if isinstance(survey, CellSurvey)}

    def reader(action: CopyVersion) -> ObjectReader:
        return open_reader(context.config, action.bucket, surveys[action.cell].target.prefix)

    return Describing(facts.keep, reader, {one.bucket.bucket: one.bucket for one in surveys.values()})
