"""What is told of attempts beside their times and cells, and the attempts themselves, made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, overload

import numpy as np

from lineage.arrays.facts import Bools, Facts, Ints, NotPlain, Small, facts_of
from lineage.attempts import Attempt
from lineage.datasets import JobId
from lineage.fault import Seeds

T_co = TypeVar("T_co", covariant=True)


class Made(Sequence[T_co], Generic[T_co]):
    """A sequence whose members are made one by one, each time somebody asks for it."""

    def __init__(self, count: int, make: Callable[[int], T_co]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T_co]:
        return map(self._make, range(self._count))

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._make(one) for one in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._make(index % self._count)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Attempts in the order of ``facts``.

    ``job``: by attempt, a number in ``jobs``; ``open``: by attempt, whether it never told its end; ``ours``: what we did ourselves;
    ``unsaid``: by attempt, whether it leaves open what of data that ``facts`` need not tell of it read or wrote;
    ``key`` and ``nominal``: run id and number, and nominal time, of one; ``ran``: the jobs of some attempts, aliases included;
    ``alike``: of some attempts as few as leave the same open; ``several``: some attempts, made together, which takes less time;
    who looks at one of not too many soon after gets that.
    """

    facts: Facts
    attempts: Sequence[Attempt]
    job: Small
    jobs: Sequence[JobId]
    open: Bools
    ours: Ints
    unsaid: Bools
    key: Callable[[int], tuple[str, int]]
    nominal: Callable[[int], tuple[int, int] | None]
    ran: Callable[[Ints], set[JobId]]
    alike: Callable[[Ints], Ints]
    several: Callable[[Sequence[int]], list[Attempt]]

    def only(self, chosen: Ints) -> Sequence[Attempt]:
        """Some attempts, each made when somebody looks at it."""
        return Made(len(chosen), lambda at: self.attempts[int(chosen[at])])

    def of(self, jobs: Collection[JobId]) -> list[int]:
        """The attempts of these jobs."""
        wanted = [number for number, job in enumerate(self.jobs) if job in jobs]
        return [int(one) for one in np.flatnonzero(np.isin(self.job, wanted))]


def ledger_of(attempts: Sequence[Attempt]) -> Ledger:
    """Of attempts that are objects already. Raises NotPlain."""
    jobs: dict[JobId, int] = {}
    job = np.array([jobs.setdefault(one.job, len(jobs)) for one in attempts], np.int32)
    return Ledger(
        facts_of(attempts),
        attempts,
        job,
        list(jobs),
        np.array([one.state == "OPEN" for one in attempts], bool),
        np.array([index for index, one in enumerate(attempts) if one.kind != "run"], np.int64),
        np.zeros(len(attempts), bool),
        lambda index: attempts[index].key,
        lambda index: attempts[index].nominal,
        lambda chosen: {job for index in chosen for job in (attempts[index].job, *attempts[index].aliases)},
        lambda chosen: chosen,
        lambda chosen: [attempts[index] for index in chosen],
    )


def moved(seeds: Seeds, numbers: Sequence[int]) -> Seeds:
    """Seeds among some attempts as those among all; ``numbers``: of each of the some, −1 where it is not among all.

    Raises NotPlain for a seed that is not.
    """
    if any(numbers[one] < 0 for one in {*seeds.must, *seeds.may, *(at for at, _ in seeds.writes)}):
        raise NotPlain("a seed was not read")
    return replace(
        seeds,
        must=frozenset(numbers[one] for one in seeds.must),
        may={numbers[one]: reason for one, reason in seeds.may.items()},
        writes={(numbers[one], write): sure for (one, write), sure in seeds.writes.items()},
    )


def numbers_of(attempts: Sequence[Attempt], ledger: Ledger) -> list[int]:
    """Where in a ledger that has all of them some attempts are; −1 for what it lacks."""
    begun = np.flatnonzero(np.isin(ledger.facts.start, [one.start for one in attempts]))
    there = {ledger.key(int(index)): int(index) for index in begun}
    return [there.get(one.key, -1) for one in attempts]
