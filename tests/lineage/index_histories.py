"""Small odd histories over many days, for what an index must know of attempts that it does not read.

Jobs that share a run id, versions that do not follow the clocks, views over views, dates with and without their key, missing inputs
and outputs, merges, retries, ends that nobody told. And a place for an index in memory, for hundreds of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from random import Random
from typing import IO, Any

from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.layouts import Layout
from lineage.timestamps import SECOND, render
from lineage.windows import Window

HOUR = 3600 * SECOND
DAY = 24 * HOUR
FIRST = 20_400 * DAY
_KINDS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"lifecycleStateChange": {"lifecycleStateChange": "OVERWRITE"}},
    {"lifecycleStateChange": {"lifecycleStateChange": "DROP"}},
    {"dbt_model": {"config": {"materialized": "table"}}},
    {"dbt_model": {"config": {"materialized": "incremental"}}},
    {"dbt_model": {"config": {"materialized": "incremental", "incremental": {"strategy": "append"}}}},
)
_VIEWS: tuple[dict[str, Any], ...] = (
    {"dbt_model": {"config": {"materialized": "view"}}},
    {"dbt_model": {"config": {"materialized": "materialized_view"}}},
)


class MemoryFiles:
    """The files of an index in memory."""

    exclusive = True
    at_once = 1
    place = "memory"

    def __init__(self) -> None:
        self.there: dict[str, bytes] = {}

    def names(self, folder: str) -> list[str]:
        inside = (name.removeprefix(f"{folder}/") for name in self.there if name.startswith(f"{folder}/"))
        return sorted({name.partition("/")[0] for name in inside})

    def read(self, name: str) -> bytes:
        try:
            return self.there[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def open(self, name: str) -> IO[bytes]:
        return BytesIO(self.read(name))

    def write(self, name: str, data: bytes) -> None:
        assert name not in self.there, f"{name} is written twice"
        self.there[name] = data

    def create(self, name: str, data: bytes) -> bool:
        return self.there.setdefault(name, data) is data

    def replace(self, name: str, data: bytes) -> None:
        self.there[name] = data

    def has(self, name: str) -> bool:
        return name in self.there

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self.there.pop(name, None)

    def locked(self) -> AbstractContextManager[None]:
        return nullcontext()


class OddHistory:
    """One company of a few jobs, by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        pick = self.random.random
        self.days = self.random.choice((4, 8, 14))
        self.versioned, self.viewed, self.shared, self.spelled = pick() < 0.4, pick() < 0.35, pick() < 0.5, pick() < 0.4
        self.jobs = {
            f"job{number}": (
                [self._name() for _ in range(self.random.randrange(3))],
                [self._name() for _ in range(self.random.randrange(3))],
            )
            for number in range(7)
        }
        self.kinds = {f"d{number}": self.random.choice(_KINDS) for number in range(7)}
        if self.viewed:
            self.kinds |= {name: self.random.choice(_VIEWS) for name in self.random.sample(sorted(self.kinds), 2)}
        self.named = {
            name: self.random.choice(("dt", "dt", "none", "bare", "mixed" if self.spelled else "dt")) for name in self.kinds
        }

    def _name(self) -> str:
        return f"d{self.random.randrange(7)}"

    def events(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        for number in range(self.random.choice((6, 15, 40))):
            told += self._run(f"run{number}")
        told += self.random.sample(told, len(told) // 5)
        self.random.shuffle(told)
        return told

    def declarations(self) -> Declarations:
        pick = self.random.choice
        rules = [
            DatasetRule(
                f"s3://lake/{name}",
                partition=pick((None, None, False, Layout("dt=%Y-%m-%d"), Layout("%Y/%m/%d"))),
                nominal=pick((None, True)),
                write=pick((None, None, "overwrite", "merge")),
            )
            for name in sorted(self.kinds)
            if self.random.random() < 0.4
        ]
        windows = ("identity", "none", "all", [-2, 0])
        edges = [
            EdgeRule(f"test/{job}", f"s3://lake/{name}", Window.parse(pick(windows)))
            for job, (reads, _) in self.jobs.items()
            for name in reads
            if self.random.random() < 0.3
        ]
        return Declarations(tuple(rules), tuple(edges), skew=pick((0, 0, HOUR, 20 * HOUR)))

    def _run(self, run_id: str) -> list[dict[str, Any]]:
        random = self.random
        job = random.choice(sorted(self.jobs))
        start = FIRST + random.randrange(self.days * 24) * HOUR + random.choice((0, 0, 1, SECOND))
        told = []
        for _ in range(random.choice((1, 1, 1, 2))):
            end = start + random.choice((HOUR, 2 * HOUR, 30 * HOUR, 80 * HOUR))
            date = render(start // DAY * DAY - random.choice((0, 0, DAY)))
            state = random.choice(("COMPLETE",) * 6 + ("FAIL", "ABORT", ""))
            other = random.choice(sorted(self.jobs)) if self.shared and random.random() < 0.2 else job
            nominal = date if random.random() < 0.8 else None
            if random.random() < 0.9 or not state:
                told.append(self._event("START", start, run_id, other, str(date), nominal, whole=random.random() < 0.4))
            if state:
                told.append(self._event(state, end, run_id, job, str(date), nominal, whole=random.random() < 0.9))
            start = end + random.choice((1, HOUR, 40 * HOUR))
            if not state:
                break
        return told

    def _event(self, kind: str, time: int, run_id: str, job: str, date: str, nominal: str | None, *, whole: bool) -> dict[str, Any]:
        reads, writes = self.jobs[job]
        facets: dict[str, Any] = {}
        if nominal is not None:
            facets["nominalTime"] = {"nominalStartTime": nominal, "nominalEndTime": nominal}
        if self.random.random() < 0.05:
            facets["airflow"] = {"dagRun": {"partition_key": date[:10]}}
        return {
            "eventType": kind,
            "eventTime": render(time),
            "run": {"runId": run_id, "facets": facets},
            "job": {
                "namespace": "test",
                "name": job,
                "facets": {"sourceCodeLocation": {"version": self.random.choice(("v1", "v1", "v2"))}},
            },
            "inputs": [self._dataset(name, "input", date) for name in reads if whole or self.random.random() < 0.3],
            "outputs": [self._dataset(name, "output", date) for name in writes if whole or self.random.random() < 0.3],
        }

    def _dataset(self, name: str, side: str, date: str) -> dict[str, Any]:
        random = self.random
        facets = dict(self.kinds[name]) if side == "output" else {}
        raw: dict[str, Any] = {"namespace": "s3://lake", "name": name, "facets": facets}
        if self.versioned and random.random() < 0.5:
            facets["version"] = {"datasetVersion": str(random.randrange(9)) if random.random() < 0.9 else "77812345678901234"}
        if random.random() < 0.05:
            facets["symlinks"] = {"identifiers": [{"namespace": "hive://meta", "name": f"lake.{name}", "type": "TABLE"}]}
        if random.random() < 0.05:
            raw |= {"namespace": "hive://meta", "name": f"lake.{name}"}
        how = self.named[name]
        how = random.choice(("dt", "bare", "other")) if how == "mixed" else how
        if random.random() < 0.2:
            return raw
        if how in {"dt", "other"}:
            condition = {"partitions": [{"dimensions": {"dt" if how == "dt" else "day": date[:10]}}]}
            raw[f"{side}Facets"] = {"subset": {f"{side}Condition": condition}}
        elif how == "bare":
            raw["name"] += "/" + date[:10].replace("-", "/")
        return raw
