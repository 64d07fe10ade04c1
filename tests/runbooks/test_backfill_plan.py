"""Each cell is made again once, after all that its job reads.

The lake: four weeks of November 2026, raw → enriched → metrics by day, a rolling week and a balance that carries itself over from
the day before (both from metrics), a month, and a model that is trained on all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.attempts import Attempt, Cell, Mode, Read, Write
from lineage.blast_radius import ReachedCell
from lineage.datasets import DatasetId, JobId
from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.effects import Effect
from lineage.layouts import Layout
from lineage.partitions import Partition, overlap, parse_partition
from lineage.timestamps import SECOND, from_datetime
from lineage.windows import Window
from runbooks.backfill import plan_backfill
from runbooks.backfill_order import CyclicJobs, waves
from runbooks.backfill_runs import group
from runbooks.command_template import UnknownPlaceholder
from runbooks.makers import Makers
from runbooks.missing import Made, Missing, missing_cells
from runbooks.plan import Plan, RunJob

FIRST = datetime(2026, 11, 2, tzinfo=UTC)
DAYS = 28
DAY = 86_400 * SECOND
PURGED = from_datetime(datetime(2026, 12, 5, tzinfo=UTC))


def dataset(name: str) -> DatasetId:
    return DatasetId("s3://lake", name)


def day(number: int) -> datetime:
    return FIRST + timedelta(days=number)


def dt(number: int) -> Partition:
    return parse_partition(f"dt={day(number):%Y-%m-%d}")


MONTH = parse_partition("month=2026-11")


def cell(name: str, partition: Partition | None = None) -> Cell:
    return Cell(dataset(name), partition or Partition(), known=True)


def run(
    job: str,
    number: int,
    reads: Sequence[Cell],
    writes: Sequence[Cell],
    mode: Mode = Mode.OVERWRITE,
    *,
    hour: int = 1,
    state: str = "COMPLETE",
) -> Attempt:
    start = from_datetime(day(number)) + DAY + hour * 3600 * SECOND
    return Attempt(
        run_id=f"{job}-{number}",
        number=0,
        job=JobId("shop", job),
        start=start,
        end=start + 600 * SECOND,
        state=state,  # type: ignore[arg-type]
        reads=tuple(Read(one) for one in reads),
        writes=tuple(Write(one, mode) for one in writes),
        nominal=(from_datetime(day(number)), from_datetime(day(number)) + DAY),
    )


def lake() -> list[Attempt]:
    made: list[Attempt] = []
    for number in range(DAYS):
        made.append(run("enrich", number, [cell("raw", dt(number))], [cell("enriched", dt(number)), cell("rejected", dt(number))]))
        made.append(run("metrics", number, [cell("enriched", dt(number))], [cell("metrics", dt(number))], hour=2))
        week = [cell("metrics", dt(before)) for before in range(max(0, number - 6), number + 1)]
        made.append(run("weekly", number, week, [cell("weekly", dt(number))], hour=3))
        carried = [cell("balance", dt(number - 1))] if number else []
        made.append(run("balance", number, [cell("metrics", dt(number)), *carried], [cell("balance", dt(number))], hour=3))
    every = [cell("metrics", dt(number)) for number in range(DAYS)]
    made.append(run("monthly", DAYS - 1, every, [cell("monthly", MONTH)], hour=4))
    made.append(run("train", DAYS - 1, [cell("weekly", dt(DAYS - 1)), Cell(dataset("balance"))], [cell("model")], hour=5))
    return made


TEMPLATE = ("make-it", "{job}", "{partition}", "{start}", "{end}")


def plan(
    missing: Sequence[Cell],
    attempts: Sequence[Attempt] | None = None,
    *,
    left: str = "nothing",
    declarations: Declarations | None = None,
    without: str = "-",
    template: tuple[str, ...] = TEMPLATE,
    dirty: Sequence[ReachedCell] = (),
    include: Sequence[str] = (),
    reached: Sequence[tuple[str, int]] = (),
) -> Plan:
    return plan_backfill(
        incident="INC-1",
        revision="r1",
        previous=None,
        missing=[Missing(one, left, PURGED) for one in missing],  # type: ignore[arg-type]
        attempts=lake() if attempts is None else attempts,
        declarations=declarations or Declarations(),
        command=lambda job: None if job.name == without else template,
        dirty=dirty,
        reached=frozenset(reached),
        include=frozenset(include),
    )


def runs(found: Plan) -> list[RunJob]:
    return [action for action in found.actions if isinstance(action, RunJob)]


def told(found: Plan) -> list[tuple[int, str, str]]:
    return [(one.wave, one.job.removeprefix("shop/"), one.partition) for one in runs(found)]


def reached_by(bad: range) -> list[Cell]:
    """What a fault of ``enrich`` on those days reaches."""
    cells: list[Cell] = []
    for number in bad:
        cells += [cell("enriched", dt(number)), cell("rejected", dt(number)), cell("metrics", dt(number))]
    cells += [cell("weekly", dt(number)) for number in range(bad.start, min(bad.stop + 6, DAYS))]
    cells += [cell("balance", dt(number)) for number in range(bad.start, DAYS)]
    return [*cells, cell("monthly", MONTH), cell("model")]


def test_three_bad_days_are_made_again_in_order() -> None:
    found = plan(reached_by(range(13, 16)))
    assert not found.refused
    assert not found.warnings
    expected = [(1, "enrich", str(dt(number))) for number in (13, 14, 15)]
    expected += [(2, "metrics", str(dt(number))) for number in (13, 14, 15)]
    # balance runs one day after another; the rolling weeks wait for all their bad days, and so does the month
    expected += [(3, "monthly", "month=2026-11"), (3, "balance", str(dt(13)))]
    expected += [(3, "weekly", str(dt(number))) for number in range(13, 22)]
    for wave, number in enumerate(range(14, DAYS), start=4):
        expected.append((wave, "balance", str(dt(number))))
    expected.append((3 + DAYS - 13, "train", "*"))
    assert told(found) == expected


def test_a_job_that_makes_several_of_the_cells_of_a_day_runs_once() -> None:
    found = plan(reached_by(range(13, 14)))
    (enrich,) = [one for one in runs(found) if one.job == "shop/enrich"]
    assert enrich.cells == (f"s3://lake/enriched@{dt(13)}", f"s3://lake/rejected@{dt(13)}")
    assert enrich.command == ("make-it", "shop/enrich", "dt=2026-11-15", "2026-11-15T00:00:00Z", "2026-11-16T00:00:00Z")


def test_a_month_ends_with_the_month_and_unpartitioned_data_is_run_for_its_latest_interval() -> None:
    monthly, train = runs(plan([cell("monthly", MONTH), cell("model")]))
    assert (monthly.start, monthly.end) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert (train.partition, train.start, train.end) == ("*", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z")


def test_the_window_counts_where_the_event_names_no_partition() -> None:
    declared = Declarations(edges=(EdgeRule("shop/weekly", "s3://lake/metrics", Window("offsets", -6, 0)),))
    nameless = [replace(one, reads=(Read(Cell(dataset("metrics"))),)) if one.job.name == "weekly" else one for one in lake()]
    missing = [cell("metrics", dt(10)), cell("metrics", dt(20)), cell("weekly", dt(14)), cell("weekly", dt(18))]
    with_window = told(plan(missing, nameless, declarations=declared))
    assert with_window == [
        (1, "metrics", str(dt(10))),
        (1, "weekly", str(dt(18))),  # reads days 12 to 18, none of which is to be made
        (1, "metrics", str(dt(20))),
        (2, "weekly", str(dt(14))),
    ]
    assert [wave for wave, job, _ in told(plan(missing, nameless)) if job == "weekly"] == [2, 2]


def test_where_an_event_names_it_the_event_wins_over_the_window() -> None:
    declared = Declarations(edges=(EdgeRule("shop/weekly", "s3://lake/metrics", Window("offsets", -6, 0)),))
    missing = [cell("metrics", dt(14)), cell("weekly", dt(18))]
    only_its_day = [replace(one, reads=(Read(cell("metrics", dt(18))),)) if one.run_id == "weekly-18" else one for one in lake()]
    assert {wave for wave, _, _ in told(plan(missing, only_its_day, declarations=declared))} == {1}


def test_an_event_that_names_a_coarser_partition_waits_for_all_that_lies_in_it() -> None:
    declared = Declarations(edges=(EdgeRule("shop/weekly", "s3://lake/metrics", Window("identity")),))
    month = Read(cell("metrics", parse_partition("dt=2026-11")))
    by_month = [replace(one, reads=(month,)) if one.run_id == "weekly-18" else one for one in lake()]
    missing = [cell("metrics", dt(14)), cell("weekly", dt(18))]
    assert [wave for wave, _, _ in told(plan(missing, by_month, declarations=declared))] == [1, 2]


def test_a_job_that_reads_its_own_later_day_is_refused_rather_than_run_in_the_wrong_order() -> None:
    backwards = [run("back", number, [cell("back", dt(number + 1))], [cell("back", dt(number))]) for number in range(3)]
    with pytest.raises(CyclicJobs):
        plan([cell("back", dt(0)), cell("back", dt(1))], backwards)


def test_until_latest_runs_every_day_after_the_other_though_no_event_says_so() -> None:
    silent = [replace(one, reads=()) if one.job.name == "balance" else one for one in lake()]
    missing = [cell("balance", dt(number)) for number in (3, 4, 5)]
    declared = Declarations(edges=(EdgeRule("shop/balance", "s3://lake/balance", None, "latest"),))
    assert [wave for wave, _, _ in told(plan(missing, silent))] == [1, 1, 1]
    assert [wave for wave, _, _ in told(plan(missing, silent, declarations=declared))] == [1, 2, 3]


def test_a_self_read_of_unknown_partition_is_of_what_was_made_before() -> None:
    nameless = [replace(one, reads=(Read(Cell(dataset("balance"))),)) if one.job.name == "balance" else one for one in lake()]
    found = told(plan([cell("balance", dt(number)) for number in (5, 4, 3)], nameless))
    assert found == [(1, "balance", str(dt(3))), (2, "balance", str(dt(4))), (3, "balance", str(dt(5)))]


def test_jobs_that_need_each_other_are_refused_by_name() -> None:
    ring = [
        run("hen", 1, [Cell(dataset("egg"))], [cell("hen", dt(1))]),
        run("egg", 1, [Cell(dataset("hen"))], [cell("egg", dt(1))]),
    ]
    with pytest.raises(CyclicJobs) as caught:
        plan([cell("hen", dt(1)), cell("egg", dt(1))], ring)
    assert caught.value.jobs == ("shop/egg", "shop/hen")


def test_a_job_without_an_orchestrator_is_refused_and_so_is_all_that_needs_it() -> None:
    found = plan(reached_by(range(13, 14)), without="metrics")
    refused = {one.what: (one.code, one.why) for one in found.refused}
    assert refused[f"s3://lake/metrics@{dt(13)}"] == (
        "no-orchestrator",
        "no orchestrator is configured for the job shop/metrics, which makes it",
    )
    assert refused[f"s3://lake/weekly@{dt(13)}"][0] == "missing-input"
    assert refused["s3://lake/model@*"][0] == "missing-input"
    assert told(found) == [(1, "enrich", str(dt(13)))]


def test_what_was_only_set_back_can_be_read_meanwhile() -> None:
    found = plan([cell("metrics", dt(13)), cell("weekly", dt(13))], left="data", without="metrics")
    assert [one.what for one in found.refused] == [f"s3://lake/metrics@{dt(13)}"]
    assert told(found) == [(1, "weekly", str(dt(13)))]


def test_a_cell_nobody_is_known_to_have_written_is_refused() -> None:
    (refusal,) = plan([cell("raw", dt(1))]).refused
    assert (refusal.code, refusal.what) == ("no-writer", f"s3://lake/raw@{dt(1)}")


def bad(name: str, partition: Partition, state: Literal["TAINTED", "SUSPECT"]) -> ReachedCell:
    return ReachedCell(
        cell(name, partition),
        state,
        0,
        (),
        serving=False,
        owners=(),
        path=(),
        reason=None,
        writers=(),
        open_writer=False,
        nominal=None,
    )


def test_a_run_that_would_read_tainted_data_is_refused_unless_its_cell_is_named() -> None:
    dirty = [bad("enriched", dt(13), "TAINTED")]
    (refusal,) = plan([cell("metrics", dt(13))], dirty=dirty).refused
    assert refusal.code == "tainted-input"
    named = plan([cell("metrics", dt(13))], dirty=dirty, include=[refusal.what])
    assert not named.refused
    assert named.warnings
    assert told(named) == [(1, "metrics", str(dt(13)))]


def test_a_run_that_may_read_suspect_data_warns() -> None:
    found = plan([cell("metrics", dt(13))], dirty=[bad("enriched", dt(13), "SUSPECT")])
    assert not found.refused
    assert "may read s3://lake/enriched" in found.warnings[0]


def test_jobs_that_fill_one_cell_together_run_in_the_order_they_last_did() -> None:
    two = [
        run("shops", 1, [], [cell("sales", dt(1))], Mode.APPEND, hour=2),
        run("online", 1, [], [cell("sales", dt(1))], Mode.APPEND, hour=1),
    ]
    assert told(plan([cell("sales", dt(1))], two)) == [(1, "online", str(dt(1))), (2, "shops", str(dt(1)))]


def test_a_job_whose_result_was_replaced_is_not_run() -> None:
    two = [run("old", 1, [], [cell("sales", dt(1))]), run("new", 1, [], [cell("sales", dt(1))], hour=9)]
    assert told(plan([cell("sales", dt(1))], two)) == [(1, "new", str(dt(1)))]
    in_place = [two[0], replace(two[1], reads=(Read(cell("sales", dt(1))),))]
    assert told(plan([cell("sales", dt(1))], in_place)) == [(1, "old", str(dt(1))), (2, "new", str(dt(1)))]


def test_an_execution_reported_by_two_producers_is_run_by_the_one_an_orchestrator_knows() -> None:
    task = run("task", 1, [], [cell("sales", dt(1))], Mode.UNKNOWN)
    spark = replace(task, run_id="app", job=JobId("shop", "spark"), start=task.start + SECOND, end=task.end - SECOND)
    assert told(plan([cell("sales", dt(1))], [task, spark], without="spark")) == [(1, "task", str(dt(1)))]


def test_a_failed_or_dropping_run_is_not_what_made_the_cell() -> None:
    three = [
        run("good", 1, [], [cell("sales", dt(1))], Mode.UNKNOWN),
        run("tried", 1, [], [cell("sales", dt(1))], Mode.UNKNOWN, hour=5, state="FAIL"),
        run("retention", 1, [], [cell("sales", dt(1))], Mode.DROP, hour=6),
    ]
    assert told(plan([cell("sales", dt(1))], three)) == [(1, "good", str(dt(1)))]


def test_what_was_put_together_run_by_run_is_put_together_run_by_run() -> None:
    merges = [run("ledger", number, [cell("raw", dt(number))], [cell("ledger")], Mode.MERGE) for number in range(5)]
    everything = runs(plan([cell("ledger")], merges))
    assert [(one.wave, one.start[:10]) for one in everything] == [(n + 1, f"{day(n):%Y-%m-%d}") for n in range(5)]
    since = runs(plan([cell("ledger")], merges, left="data", reached=[("ledger-3", 0), ("ledger-4", 0)]))
    assert [one.start[:10] for one in since] == [f"{day(n):%Y-%m-%d}" for n in (3, 4)]
    (refusal,) = plan([cell("ledger")], [*merges[:3], replace(merges[3], nominal=None)]).refused
    assert refusal.code == "no-interval"


def test_a_command_that_needs_an_interval_nobody_reported_is_refused() -> None:
    timeless = [replace(one, nominal=None) for one in lake()]
    (refusal,) = plan([cell("model")], timeless).refused
    assert (refusal.code, refusal.what) == ("no-interval", "s3://lake/model@*")
    assert told(plan([cell("model")], timeless, template=("make", "{name}"))) == [(1, "train", "*")]


def test_keys_beside_the_date_run_once_when_one_run_made_them_all() -> None:
    parts = [cell("sales", parse_partition(f"country={land}/dt=2026-11-03")) for land in ("NO", "SE")]
    together = [run("sales", 1, [], parts)]
    assert told(plan(parts, together)) == [(1, "sales", "dt=2026-11-03")]
    apart = [replace(run("sales", 1, [], [part]), run_id=str(part)) for part in parts]
    assert [partition for _, _, partition in told(plan(parts, apart))] == [str(part.partition) for part in parts]


def test_an_unknown_placeholder_is_an_error_and_values_are_never_expanded_twice() -> None:
    with pytest.raises(UnknownPlaceholder, match="when"):
        plan([cell("model")], template=("make", "{when}"))
    odd = replace(run("x", 1, [], [cell("sales", dt(1))]), job=JobId("shop", "{start}; rm -rf $(HOME)"))
    assert runs(plan([cell("sales", dt(1))], [odd], template=("make", "--job={name}")))[0].command == (
        "make",
        "--job={start}; rm -rf $(HOME)",
    )


# --- what is missing -----------------------------------------------------------------------------------------------------


def purge(one: Cell, end: int = PURGED, *, plan_id: str = "purge-1", complete: bool = True) -> Effect:
    return Effect(plan_id, "purge", one, end - SECOND, end, complete, "nothing")


def undo(one: Cell, of: str, end: int, plan_id: str = "undo-1") -> Effect:
    return Effect(plan_id, "undo", one, end - SECOND, end, complete=True, leaves="data", undoes=of)


def names(found: Sequence[Missing]) -> list[str]:
    return [str(one) for one in found]


METRICS = cell("metrics", dt(3))


def later(attempt: Attempt, seconds: int) -> Attempt:
    return replace(attempt, run_id="again", start=PURGED + seconds * SECOND, end=PURGED + (seconds + 5) * SECOND)


def test_a_purged_cell_is_missing_until_a_run_that_began_afterwards_wrote_all_of_it() -> None:
    again = run("metrics", 3, [], [METRICS])
    assert names(missing_cells([purge(METRICS)], lake())) == [str(METRICS)]
    assert names(missing_cells([purge(METRICS)], [*lake(), later(again, -1)])) == [str(METRICS)]
    assert names(missing_cells([purge(METRICS)], [*lake(), later(again, 0)])) == []
    failed = replace(later(again, 1), state="FAIL")
    assert names(missing_cells([purge(METRICS)], [*lake(), failed])) == [str(METRICS)]
    somewhere = replace(later(again, 1), writes=(Write(Cell(dataset("metrics"))),))
    assert names(missing_cells([purge(METRICS)], [*lake(), somewhere])) == [str(METRICS)]
    assert names(missing_cells([purge(METRICS)], [*lake(), later(again, 1)], tainted={("again", 0)})) == [str(METRICS)]


def test_the_backfills_own_journal_counts() -> None:
    assert names(missing_cells([purge(METRICS)], lake(), [Made(str(METRICS), PURGED)])) == []
    assert names(missing_cells([purge(METRICS)], lake(), [Made(str(METRICS), PURGED - 1)])) == [str(METRICS)]


def test_what_was_undone_is_not_missing_and_an_undone_undo_is() -> None:
    first, second = purge(METRICS), undo(METRICS, "purge-1", PURGED + DAY)
    assert names(missing_cells([first, second], lake())) == []
    third = undo(METRICS, "undo-1", PURGED + 2 * DAY, "undo-2")
    assert names(missing_cells([first, second, third], lake())) == [str(METRICS)]
    halfway = replace(second, complete=False)
    assert names(missing_cells([first, halfway], lake())) == [str(METRICS)]


def test_a_revert_leaves_data_and_half_a_revert_is_worth_nothing() -> None:
    revert = Effect("revert-1", "revert", METRICS, PURGED - SECOND, PURGED, complete=True, leaves="data")
    assert [one.leaves for one in missing_cells([revert], lake())] == ["data"]
    assert [one.leaves for one in missing_cells([replace(revert, complete=False)], lake())] == ["nothing"]
    assert [one.leaves for one in missing_cells([revert, purge(METRICS, PURGED + DAY)], lake())] == ["nothing"]


def test_all_of_a_partitioned_dataset_stands_for_its_partitions() -> None:
    whole = Cell(dataset("monthly"))
    assert names(missing_cells([purge(whole)], lake())) == ["s3://lake/monthly@month=2026-11"]


# --- the property --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_run_comes_after_all_that_makes_what_it_reads(data: st.DataObject) -> None:
    """For any set of missing cells of any layered lake, with any reads: nothing reads what is made later, nothing is left out."""
    attempts: list[Attempt] = []
    cells: list[Cell] = []
    for layer in range(data.draw(st.integers(1, 4))):
        for number in range(data.draw(st.integers(1, 5))):
            known = [one for one in cells if one.dataset.name != f"d{layer}"]
            named = data.draw(st.lists(st.sampled_from(known), max_size=4)) if known else []
            whole = [Cell(one.dataset) for one in data.draw(st.lists(st.sampled_from(known), max_size=1))] if known else []
            itself = [cell(f"d{layer}", dt(number - 1))] if number and data.draw(st.booleans()) else []
            made = cell(f"d{layer}", dt(number))
            job = data.draw(st.sampled_from((f"j{layer}", f"k{layer}")))
            attempts.append(run(job, number, [*named, *whole, *itself], [made], hour=layer))
            cells.append(made)
    attempts = data.draw(st.permutations(attempts))
    missing = data.draw(st.lists(st.sampled_from(cells), unique=True, min_size=1))
    found = plan(missing, attempts)
    assert sorted(str(one) for one in missing) == sorted(name for one in runs(found) for name in one.cells)
    wave_of = {name: (one.wave, place) for place, one in enumerate(runs(found)) for name in one.cells}
    by_cell = {str(write.cell): attempt for attempt in attempts for write in attempt.writes}
    for place, one in enumerate(runs(found)):
        for name in one.cells:
            for read in by_cell[name].reads:
                for other in missing:
                    if other.dataset == read.cell.dataset and overlap(other.partition, read.cell.partition):
                        assert wave_of[str(other)] < (one.wave, place)
    assert found.id == plan(missing, list(reversed(attempts))).id


def test_a_local_day_is_run_for_its_own_hours_in_utc() -> None:
    local = DatasetRule("s3://lake/enriched", partition=Layout("dt=%Y-%m-%d"), timezone=ZoneInfo("Europe/Stockholm"))
    days = [cell("enriched", parse_partition(f"dt={text}")) for text in ("2026-03-29", "2026-10-25", "2026-11-18")]
    attempts = [run("enrich", 0, [], days)]
    found = plan(days, attempts, declarations=Declarations(datasets=(local,)))
    assert [(one.partition, one.start, one.end) for one in runs(found)] == [
        ("dt=2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("dt=2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("dt=2026-11-18", "2026-11-17T23:00:00Z", "2026-11-18T23:00:00Z"),
    ]


def test_a_run_waits_for_the_hours_of_its_local_day_only() -> None:
    hours = [
        cell("hourly", parse_partition(f"dt=2026-11-{text}")) for text in ("17/hour=22", "17/hour=23", "18/hour=22", "18/hour=23")
    ]
    daily = cell("daily", parse_partition("dt=2026-11-18"))
    made = [replace(run("collect", 0, [], [one]), run_id=f"collect-{number}") for number, one in enumerate(hours)]
    made.append(run("sum", 0, [Cell(dataset("hourly"))], [daily], hour=3))
    declarations = Declarations(
        datasets=(DatasetRule("*daily", partition=Layout("dt=%Y-%m-%d"), timezone=ZoneInfo("Europe/Stockholm")),),
        edges=(EdgeRule("shop/sum", "*hourly", Window("contained")),),
    )
    makers = Makers(made, lambda _: True, zone=declarations.zone)
    makings = [makers.of(Missing(one, "nothing", PURGED)) for one in (*hours, daily)]
    nodes = group(making for found in makings if isinstance(found, tuple) for making in found)
    waves(nodes, declarations)
    waited = {str(one.partition) for node in nodes if node.job.name == "sum" for one in node.waits}
    assert waited == {"dt=2026-11-17/hour=23", "dt=2026-11-18/hour=22"}
