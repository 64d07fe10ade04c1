"""What a journal says, read record by record: small enough for the journal of a million actions.

``intent`` names the actions that are about to be done; ``made`` the versions that our requests created; ``outcome`` settles
actions: ``done`` those that ended as ``made`` said, ``results`` all others by index, each a status, a version id and a note.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from incident.compact import Numbers, Texts
from lineage.timestamps import parse

Status = Literal["done", "failed", "drifted", "unknown"]
_STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one action. ``version_id``: the version that we made and that stands. ``note``: why it is not done."""

    status: Status
    version_id: str | None = None
    note: str = ""


class Outcomes(MutableMapping[int, Outcome]):
    """Index → outcome. Most are done and differ only in their version ids; notes are few and shared."""

    def __init__(self) -> None:
        self._statuses = bytearray()
        self._versions = Texts()
        self._notes = Numbers()
        self._told: dict[str, int] = {}
        self._texts: list[str] = []
        self._counts = array("q", [0] * (len(_STATUSES) + 1))

    def __getitem__(self, index: int) -> Outcome:
        if index not in self:
            raise KeyError(index)
        note = self._texts[self._notes[index]] if index in self._notes else ""
        return Outcome(_STATUSES[self._statuses[index] - 1], self._versions.get(index), note)

    def __setitem__(self, index: int, outcome: Outcome) -> None:
        if index >= len(self._statuses):
            self._statuses.extend(bytes(index + 1 - len(self._statuses)))
        self._counts[self._statuses[index]] -= 1
        self._statuses[index] = _STATUSES.index(outcome.status) + 1
        self._counts[self._statuses[index]] += 1
        if outcome.version_id is not None:
            self._versions[index] = outcome.version_id
        else:
            self._versions.discard(index)
        if outcome.note:
            if outcome.note not in self._told:
                self._told[outcome.note] = len(self._texts)
                self._texts.append(outcome.note)
            self._notes[index] = self._told[outcome.note]
        else:
            self._notes.discard(index)

    def done(self, indices: Sequence[int], made: Mapping[int, str]) -> None:
        """These are done, with the versions that they made where they made some."""
        if not indices:
            return
        if (lacking := max(indices) + 1 - len(self._statuses)) > 0:
            self._statuses.extend(bytes(lacking))
        status = _STATUSES.index("done") + 1
        for index in indices:
            self._counts[self._statuses[index]] -= 1
            self._statuses[index] = status
            if (version_id := made.get(index)) is not None:
                self._versions[index] = version_id
            else:
                self._versions.discard(index)
        self._counts[status] += len(indices)
        self._notes.drop(indices)

    def __delitem__(self, index: int) -> None:
        if index not in self:
            raise KeyError(index)
        self._counts[self._statuses[index]] -= 1
        self._statuses[index] = 0

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < len(self._statuses) and self._statuses[index] != 0

    def __iter__(self) -> Iterator[int]:
        return (index for index, status in enumerate(self._statuses) if status)

    def __len__(self) -> int:
        return sum(self._counts[1:])

    def __repr__(self) -> str:
        return repr(dict(self))

    def status(self, index: int) -> Status | None:
        """Only the status: without an object for each."""
        return _STATUSES[self._statuses[index] - 1] if index in self else None

    def count(self, status: Status) -> int:
        """How many have it. At once."""
        return self._counts[_STATUSES.index(status) + 1]

    def but(self, status: Status) -> Iterator[int]:
        """Those that have an outcome other than this, in order."""
        skipped = (0, _STATUSES.index(status) + 1)
        return (index for index, one in enumerate(self._statuses) if one not in skipped)


class Made(Mapping[int, str | None]):
    """Index → the version that a done action made; only the done ones."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def __getitem__(self, index: int) -> str | None:
        if index not in self:
            raise KeyError(index)
        return self._outcomes[index].version_id

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self._outcomes.status(index) == "done"

    def __iter__(self) -> Iterator[int]:
        return (index for index in self._outcomes if index in self)

    def __len__(self) -> int:
        return self._outcomes.count("done")


@dataclass(slots=True)
class JournalState:
    """All that a journal says. Times in nanoseconds UTC; actions by their index in the plan.

    ``doubtful`` maps the actions whose effect is not settled to the time of their first intent since the last settlement.
    ``before``: what lay in the cells of a doubtful run before it. ``since``: what the storage's clock showed just before a
    doubtful request that went without a look.
    ``strays``: cells that in the end held what the plan did not know of, and what that was.
    ``uploads``: multipart uploads of doubtful copies, by upload id, each with the ETag of what it would make, empty if not known.
    ``jobs``: those that others do for us, by the part of the plan; ``id`` is empty before we know it, ``ended`` how it ended.
    """

    begun: int | None = None
    ended: int | None = None
    first_intent: Numbers = field(default_factory=Numbers)
    doubtful: Numbers = field(default_factory=Numbers)
    made: dict[int, str] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=Outcomes)
    settled_at: Numbers = field(default_factory=Numbers)
    strays: dict[str, str] = field(default_factory=dict)
    before: dict[int, dict[str, Any]] = field(default_factory=dict)
    since: Numbers = field(default_factory=Numbers)
    uploads: dict[int, dict[str, str]] = field(default_factory=dict)
    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)

    def count(self, status: Status) -> int:
        return self.outcomes.count(status)

    def unfinished(self, actions: int) -> Sequence[int]:
        """The actions not attempted yet, failed, or in doubt, in the plan's order."""
        if not self.outcomes and not self.doubtful:
            return range(actions)
        status = self.outcomes.status
        return [index for index in range(actions) if index in self.doubtful or status(index) in {None, "failed", "unknown"}]

    def finished(self, actions: int) -> bool:
        """Whether nothing is left to be done or to be looked at."""
        settled = self.outcomes.count("done") + self.outcomes.count("drifted")
        return not self.doubtful and settled == actions

    def read(self, record: Mapping[str, Any], plan_id: str | None = None) -> None:
        """Take in one record; of ``plan_id``'s journal, if given. Raises ValueError when it is of another's."""
        at = parse(record["at"])
        match record["type"]:
            case "begin":
                if plan_id is not None and record["plan"] != plan_id:
                    raise ValueError(f"it is the journal of {record['plan']}")
                self.begun = at if self.begun is None else self.begun
                self.ended = None
            case "intent":
                self.ended = None
                before, since = record.get("before"), record.get("since")
                actions = list(spread(record["actions"]))
                if since is not None:
                    self.since.add((index for index in actions if index not in self.doubtful), parse(since))
                self.first_intent.add(actions, at)
                self.doubtful.add(actions, at)
                if before is not None:
                    self.before = {**dict.fromkeys(actions, before), **self.before}
            case "made":
                self.made |= {int(index): made for index, made in record["versions"].items()}
            case "upload" | "job":
                self._under_way(record)
            case "outcome":
                self._done(list(spread(record.get("done", ()))), at)
                for text, (status, version_id, note) in record["results"].items():
                    self._settle(int(text), Outcome(status, version_id, note), at)
            case "strays":
                self.strays = {str(cell): str(why) for cell, why in record["cells"].items()}
            case "end":
                self.ended = at

    def _under_way(self, record: Mapping[str, Any]) -> None:
        """What takes longer than a request."""
        if record["type"] == "upload":
            self.uploads.setdefault(int(record["action"]), {})[str(record["id"])] = str(record["etag"])
        else:
            self.jobs[int(record["part"])] = {name: str(record[name]) for name in ("id", "account", "bucket", "report", "ended")}

    def _done(self, indices: Sequence[int], at: int) -> None:
        """As ``_settle``, for most of a chunk at once."""
        self.outcomes.done(indices, self.made)
        self.settled_at.put(indices, at)
        self.doubtful.drop(indices)
        self.since.drop(indices)
        for kept in (self.made, self.before, self.uploads):
            if kept:
                for index in indices:
                    kept.pop(index, None)

    def _settle(self, index: int, outcome: Outcome, at: int) -> None:
        self.outcomes[index] = outcome
        self.settled_at[index] = at
        if outcome.status != "unknown":
            self.doubtful.discard(index)
            self.made.pop(index, None)
            self.before.pop(index, None)
            self.since.discard(index)
            self.uploads.pop(index, None)


def ranges(actions: Iterable[int]) -> list[list[int]]:
    """Indices as [first, last] pairs: a chunk of 1,000 is one pair."""
    pairs: list[list[int]] = []
    for index in sorted(actions):
        if pairs and pairs[-1][1] == index - 1:
            pairs[-1][1] = index
        else:
            pairs.append([index, index])
    return pairs


def spread(pairs: Iterable[Sequence[int]]) -> Iterator[int]:
    """The indices of such pairs."""
    for first, last in pairs:
        yield from range(first, last + 1)
