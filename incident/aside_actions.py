"""Actions on places without versions: settle what is in doubt, intend, keep a copy, write that down, take away, look again.

The order is what makes it safe: nothing is taken away before the journal says that a whole copy of it is in quarantine, or, for
local files, in one step that moves it there. See ``aside_objects`` and ``aside_files`` for why no concurrent write is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol, TypeVar

from incident.aside_files import AsideFiles
from incident.aside_objects import AsideObjects
from incident.bucket_watch import Recall
from incident.errors import ConfigError, StorageError, StorageUnreachable
from incident.journal import Journal, Outcome
from incident.outputs import place
from incident.storage.port import ObjectReader, ObjectStore
from runbooks.actions import ACTIONS, AsideAction, BringBack, SetAside
from runbooks.facts import marks_completion
from runbooks.plan import Plan, PlannedCell
from runbooks.survey import LOCAL, BucketState, Rest

KINDS = (SetAside, BringBack)
_OPS = frozenset({"set-aside", "bring-back"})
CHUNK = 1_000
CHUNK_BYTES = 16 * 1024**3
"""What Ctrl-C waits for at most, unless a single object is larger."""

Readers = Callable[[str, str], ObjectReader]
T = TypeVar("T")


class Hand(Protocol):
    """Does these actions on one kind of storage. Each call may be repeated, and raises StorageError, CredentialsMissing."""

    def settled(self, action: AsideAction, made: str | None) -> Outcome | None:
        """What came of an earlier try, whose copy was ``made`` if that is known; None when it changed nothing."""

    def keep(self, action: AsideAction) -> Outcome | str:
        """The half that takes nothing away: the ETag of a whole copy in quarantine, "" where none is needed, or why not."""

    def do(self, action: AsideAction, made: str) -> Outcome:
        """The other half; ``made`` is in the journal by now."""

    def sync(self) -> None:
        """Make what was done durable, before it is written down as done."""

    def changed(self, action: SetAside) -> str:
        """Why what was set aside is not what it was then; empty when it is, or where nothing can write to it any more."""


class AsideActions:
    """Performs the actions of one plan. ``hands``: for local files, and for buckets; ``clock`` in ns UTC.

    ``readers`` open a bucket and prefix to look at, ``stores`` what an action is done with. ``recall`` makes a store know what was
    found out of its server before.
    """

    def __init__(
        self,
        plan: Plan,
        readers: Readers,
        stores: Callable[[AsideAction], ObjectStore],
        clock: Callable[[], int],
        workers: int = 16,
        recall: Recall | None = None,
    ) -> None:
        self._plan, self._readers, self._stores, self._clock = plan, readers, stores, clock
        self._workers, self._recall = workers, recall
        self._places = {str(cell): cell.url for cell in plan.cells}
        self._cells = plan.indices(without=ACTIONS.keys() - _OPS)
        self.states: dict[str, BucketState] = {}
        """Buckets as they were seen before the chunk in hand."""
        files = AsideFiles(plan.incident, plan.id)
        objects = AsideObjects(plan.incident, plan.id, stores, lambda bucket: self.states[bucket])
        self._hands: Callable[[str], Hand] = lambda bucket: files if bucket == LOCAL else objects

    def action(self, index: int) -> AsideAction:
        found = self._plan.actions[index]
        if not isinstance(found, KINDS):
            raise TypeError(f"{self._plan.id}: {found.op!r} does not set aside, nor bring back")
        return found

    def chunks(self, indices: Sequence[int]) -> list[list[int]]:
        """Actions of one kind, bucket and cell, in the plan's order; completion markers by themselves."""
        found: list[list[int]] = []
        last: tuple[str, str, str, bool] | None = None
        size = 0
        for index in indices:
            action = self.action(index)
            kind = (action.op, action.bucket, action.cell, marks_completion(action.key))
            if kind != last or len(found[-1]) >= CHUNK or size + action.size > CHUNK_BYTES:
                found.append([])
                size = 0
            found[-1].append(index)
            size += action.size
            last = kind
        return found

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """One chunk, its intents and outcomes journalled.

        Raises StorageError, CredentialsMissing, ConfigError and TimelineUnwritable; what was begun by then stays in doubt in the
        journal, and performing the same chunk again settles it.
        """
        actions = {index: self.action(index) for index in chunk}
        first = actions[chunk[0]]
        hand = self._hands(first.bucket)
        # What failed may have come half-way as well: it is looked at like what is in doubt.
        begun = [index for index in chunk if index in journal.state.doubtful or index in journal.state.outcomes]
        moved = self._moved(first, settling=bool(begun))
        known = {index: journal.state.made.get(index) for index in begun}
        found = self._each(begun, lambda index: hand.settled(actions[index], known[index]))
        settled = {index: outcome for index, outcome in found.items() if outcome is not None}
        if begun:
            hand.sync()
        left = [index for index in chunk if index not in settled]
        if left and (stop := moved or self._early(first, journal)):
            settled |= dict.fromkeys(left, Outcome("drifted" if moved else "failed", None, stop))
            left = []
        if settled:
            journal.outcome(settled, self._clock())
        if left:
            self._act(hand, {index: actions[index] for index in left}, journal)

    def _act(self, hand: Hand, actions: Mapping[int, AsideAction], journal: Journal) -> None:
        journal.intent(list(actions), self._clock())
        halves = self._each(actions, lambda index: self._tried(hand, actions[index], None, lambda: hand.keep(actions[index])))
        copies = {index: half for index, half in halves.items() if isinstance(half, str)}
        outcomes = {index: half for index, half in halves.items() if isinstance(half, Outcome)}
        journal.made({index: copy for index, copy in copies.items() if copy}, self._clock())
        outcomes |= self._each(copies, lambda index: self._done(hand, actions[index], copies[index]))
        hand.sync()
        journal.outcome(outcomes | self._covered(actions, outcomes, journal), self._clock())

    def _covered(self, actions: Mapping[int, AsideAction], outcomes: Mapping[int, Outcome], journal: Journal) -> dict[int, Outcome]:
        """What could not come back because what this very plan sets aside first still lies there.

        That is no drift, which would be final: a resume that sets it aside must bring back what belongs there as well.
        """
        drifted = {actions[index].key: index for index, one in outcomes.items() if one.status == "drifted"}
        first = next(iter(actions.values()))
        found: dict[int, Outcome] = {}
        if not drifted or not isinstance(first, BringBack):
            return found
        for index in (index for within in self._cells.get(first.cell, ()) for index in within):
            other = self.action(index)
            if isinstance(other, SetAside) and other.key in drifted:
                status = journal.state.outcomes.status(index)
                if index in journal.state.doubtful or status not in {"done", "drifted"}:
                    found[drifted[other.key]] = Outcome("failed", None, "what is set aside first is not yet")
        return found

    def _done(self, hand: Hand, action: AsideAction, copy: str) -> Outcome:
        return self._tried(hand, action, copy or None, lambda: hand.do(action, copy))

    def _tried(self, hand: Hand, action: AsideAction, copy: str | None, act: Callable[[], T]) -> T | Outcome:
        """What came of it. After an error it is looked at: files may be put back, and a lost answer may be found."""
        try:
            return act()
        except StorageError as error:
            # Not seen now does not mean never: a request without an answer may still be on its way.
            otherwise = Outcome("unknown" if isinstance(error, StorageUnreachable) else "failed", copy, error.message)
        try:
            return hand.settled(action, copy) or otherwise
        except StorageError:
            return Outcome("unknown", copy, otherwise.note)

    def _each(self, indices: Iterable[int], act: Callable[[int], T]) -> dict[int, T]:
        listed = list(indices)
        if self._workers == 1:
            return {index: act(index) for index in listed}
        with ThreadPoolExecutor(self._workers) as pool:
            return dict(zip(listed, pool.map(act, listed), strict=True))

    # --- looking ----------------------------------------------------------------------------------------------------------

    def moved(self) -> str:
        """Why a bucket is not what the plan relies on; empty when all are."""
        firsts: dict[str, AsideAction] = {}
        for ranges in self._cells.values():
            first = self.action(ranges[0].start)
            firsts.setdefault(first.bucket, first)
        return next((why for first in firsts.values() if (why := self._moved(first, settling=False))), "")

    def _moved(self, action: AsideAction, *, settling: bool) -> str:
        """Raises ConfigError when it is not even the planned server's bucket and something is to be settled: no other can tell."""
        if action.bucket == LOCAL:
            return ""
        now = self._look(action)
        known = [terms for terms in self._plan.buckets if terms.bucket == action.bucket]
        if not known:
            return f"{action.bucket} is not in the plan"
        planned = next((terms for terms in known if terms.server == now.server), known[0])
        if now.server != planned.server:
            why = f"the plan is for {action.bucket} of {planned.server}, and [[storage]] now leads to {now.server}"
            if settling:
                raise ConfigError(why, "set endpoint in [[storage]] back; then: incident resume", code="moved")
            return why
        return planned.difference(now.terms)

    def _look(self, action: AsideAction) -> BucketState:
        store = self._stores(action)
        now = store.state(action.bucket)
        if action.bucket not in self.states and self._recall is not None and (known := self._recall(store, now)) is not None:
            now = replace(now, guarantees=known)
        self.states[action.bucket] = now
        return now

    def strays(self) -> dict[str, str]:
        """Look at every cell once more: what was written since the plan under other names was not set aside.

        Local cells without any action are this family's too. And a program may have written on into a file that we moved.
        """
        others = self._plan.indices().keys()
        found: dict[str, str] = {}
        for cell in self._plan.cells:
            name = str(cell)
            ours = self._cells.get(name, ())
            if not ours and (name in others or not cell.url.startswith(LOCAL)):
                continue
            acted: set[str] = set()
            why = ""
            for action in (self.action(index) for within in ours for index in within):
                acted.add(action.key)
                if isinstance(action, SetAside):
                    changed = self._hands(action.bucket).changed(action)
                    why = why or changed
            if why := why or self._stray(cell, acted):
                found[name] = why
        return found

    def _stray(self, cell: PlannedCell, acted: set[str]) -> str:
        bucket, prefix = place(cell.url)
        beside, count, first = Rest(), 0, ""
        for one in self._readers(bucket, prefix).histories(bucket, prefix):
            if one.key not in acted and one.current is not None:
                beside.add(one)
                count, first = count + 1, first or one.key
        if str(beside) == cell.rest:
            return ""
        if cell.rest or not count:
            return "objects that the plan leaves alone were written or deleted since the plan"
        return f"{count} objects were written there since the plan, the first {first}"

    def prefix(self, action: AsideAction) -> str:
        """The cell's prefix, which decides which [[storage]] entry is meant."""
        url = self._places.get(action.cell, "")
        return place(url)[1] if url else action.key

    def _early(self, action: AsideAction, journal: Journal) -> str:
        """Why the word that a folder is complete must not come back yet: some of it has not."""
        if not isinstance(action, BringBack) or not marks_completion(action.key):
            return ""
        folder = action.key.rpartition("/")[0] + "/"
        for index in (index for within in self._cells.get(action.cell, ()) for index in within):
            outcome = journal.state.outcomes.get(index)
            if outcome is not None and outcome.status == "done":
                continue
            other = self.action(index)
            if isinstance(other, BringBack) and other.key.startswith(folder) and not marks_completion(other.key):
                return "other objects beside it are not back, so that it would call complete what is not"
        return ""
