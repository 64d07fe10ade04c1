"""One execution that two sources tell of is one attempt; two executions stay two."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from lineage.blast import blast
from lineage.datasets import DatasetId, JobId
from lineage.declarations import Declarations
from lineage.events import DatasetRef, Event, EventType
from lineage.fault import Fault
from lineage.history import History, build
from lineage.sources import Problems, read

DATA = Path(__file__).parent / "data"
OPENLINEAGE = str(DATA / "dbt_shop_openlineage.ndjson")
DBT = f"dbt:{DATA / 'dbt_shop'}?namespace=duckdb://shop.duckdb&jobs=dbt-shop"


def run(run_id: str, said_by: str, start: int = 10, end: int = 20, job: str = "j", reads: str = "raw") -> list[Event]:
    inputs = (DatasetRef(DatasetId("ns", reads)),)
    kinds: tuple[tuple[int, EventType], ...] = ((start, "START"), (end, "COMPLETE"))
    return [Event(time, kind, run_id, JobId("ns", job), inputs, said_by=said_by) for time, kind in kinds]


def attempts(*runs: list[Event]) -> list[tuple[str, list[str]]]:
    history = build([one for events in runs for one in events], Declarations())
    return sorted(
        (one.run_id, sorted(read.cell.dataset.name for read in one.reads if read.how == "observed")) for one in history.attempts
    )


def test_twins_are_one_attempt_that_knows_what_either_told() -> None:
    twins = [run("openlineage-1", "openlineage"), run("dbt/model", "dbt", reads="seed"), run("m", "marquez", start=11)]

    for order in permutations(twins):
        assert attempts(*order) == [("m", ["raw"]), ("openlineage-1", ["raw", "seed"])]


def test_what_only_looks_alike_stays_apart() -> None:
    one = run("a", "openlineage")

    for other in (
        run("b", "openlineage"),
        run("b", "dbt", start=11),
        run("b", "dbt", end=21),
        run("b", "dbt", job="k"),
        run("b", "dbt")[:1],
        run("b", "dbt")[1:],
        [*run("b", "dbt"), *run("b", "dbt", start=30, end=40)],
    ):
        assert len(build([*one, *other], Declarations()).attempts) > 1


def test_where_one_kind_tells_of_two_executions_nothing_is_merged() -> None:
    assert len(attempts(run("a", "openlineage"), run("b", "dbt"), run("c", "dbt"))) == 3


def told(*sources: str) -> History:
    return build(read(sources, Problems()), Declarations())


def test_more_sources_about_the_same_runs_convict_no_less() -> None:
    fault = Fault(job="*stg_orders.build.run")
    states = {}
    for name, sources in (("openlineage", [OPENLINEAGE]), ("dbt", [DBT]), ("both", [OPENLINEAGE, DBT])):
        radius = blast(told(*sources), fault, None)
        states[name] = {str(one.cell): one.state for one in radius.cells}

    assert states["both"] == states["dbt"]
    assert states["openlineage"].keys() < {*states["dbt"], "duckdb://shop.duckdb/shop.main.hourly@*"}
    assert set(states["both"].values()) == {"TAINTED"}
