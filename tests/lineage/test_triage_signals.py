"""What facets tell, attempt by attempt: from files and from a server, in any order, with one name for each dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lineage.declarations import Declarations
from lineage.events import event
from lineage.facets import Schema, told
from lineage.fault import Fault
from lineage.history import build
from lineage.signals import Signals
from lineage.sources import Problems, read
from lineage.triage import triage
from tests.lineage.marquez_server import Marquez
from tests.lineage.triage_histories import BAD, DAYS, FAULT, day, enrich, found, ingest, partitioned, run, strongest, usual

JSON = dict[str, Any]


def heard(*events: JSON) -> tuple[Signals, list[Any]]:
    signals, made = Signals(), [event(one) for one in events]
    for raw, one in zip(events, made, strict=True):
        signals.hear(raw, one)
    return signals, made


def test_a_retry_under_one_run_id_is_told_apart() -> None:
    first = enrich(BAD, rows=5, state="FAIL", run_id="r", code="1", facets={"errorMessage": {"message": "full"}})
    second = enrich(BAD, rows=9, hour=5, run_id="r", code="2")
    signals, made = heard(*second, *first)
    by_attempt = signals.by_attempt(build(made, Declarations()))
    assert {key: one.versions["sourceCodeLocation.version"] for key, one in by_attempt.items()} == {("r", 0): "1", ("r", 1): "2"}
    assert [by_attempt["r", number].error for number in (0, 1)] == ["full", ""]
    assert [figure.value for number in (0, 1) for figure in by_attempt["r", number].figures.values()] == [5, 9]


def test_partitions_of_one_dataset_are_one_amount() -> None:
    parts = [partitioned("raw", day(number), "output", rows=10.0 + number) for number in range(3)]
    (figure,) = told(run("ingest", BAD, writes=parts)[1]).figures.values()
    assert figure.value == 33


def test_figures_are_found_in_every_facet_that_tells_them() -> None:
    dataset = {
        "namespace": "s3://lake",
        "name": "raw",
        "inputFacets": {
            "inputStatistics": {"rowCount": "12", "size": 7},
            "dataQualityMetrics": {
                "rowCount": 99,
                "bytes": 98,
                "fileCount": 3,
                "columnMetrics": {"a": {"nullCount": 4, "min": "x"}},
            },
        },
    }
    figures = {name: (one.value, one.source) for (_, _, name), one in told({"inputs": [dataset]}).figures.items()}
    assert figures == {
        "rowCount": (12, "inputStatistics.rowCount"),
        "size": (7, "inputStatistics.size"),
        "fileCount": (3, "dataQualityMetrics.fileCount"),
        "nullCount of a": (4, "dataQualityMetrics.columnMetrics.nullCount"),
    }


def test_nested_fields_are_told_by_their_path() -> None:
    fields = [{"name": "at", "type": "Struct", "fields": [{"name": "zone", "type": "string"}]}, {"name": "id"}]
    schema: Schema
    (schema,) = told({"outputs": [{"name": "t", "facets": {"schema": {"fields": fields}}}]}).schemas.values()
    assert schema == (("at", "struct"), ("at.zone", "string"), ("id", ""))


def test_names_of_one_dataset_are_compared_as_one() -> None:
    """The first days name the table, the bad one its place in storage; a symlink joins them."""
    place = {"namespace": "s3://lake", "name": "raw"}

    def read_by(of: Any, rows: float, name: JSON, **facets: Any) -> list[JSON]:
        dataset = {**name, "facets": facets, "inputFacets": {"inputStatistics": {"rowCount": rows}}}
        return run("enrich", of, reads=[dataset], hour=3)

    table = {"namespace": "hive", "name": "db.raw"}
    symlinked = {"identifiers": [{**table, "type": "TABLE"}]}
    events = [one for number in range(9) for one in read_by(day(number), 100 + number % 3, table)]
    result = found([*events, *read_by(day(9), 2, place, symlinks=symlinked)], Fault(job="test/enrich", nominal=str(day(9))))
    assert (result.verdict, str(strongest(result, "volume").dataset)) == ("data", "s3://lake/raw")


def test_a_marquez_server_tells_as_much_as_a_file(marquez: Marquez, tmp_path: Path) -> None:
    events = [*usual(9), *ingest(BAD), *enrich(BAD, code="1.4.1", fields={"id": "text"})]
    marquez.events = list(events)
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    judged = []
    for source in (marquez.url, str(path)):
        signals = Signals()
        judged.append(triage(build(read([source], Problems(), tap=signals.hear), Declarations()), FAULT, signals).to_json())
    assert judged[0] == judged[1]
    assert {one["kind"] for one in judged[0]["evidence"]} == {"code-version", "schema"}


def test_one_earlier_attempt_bears_out_less_than_many() -> None:
    few = found([*ingest(day(0)), *enrich(day(0)), *ingest(BAD), *enrich(BAD, code="2")])
    many = found([*usual(), *ingest(BAD), *enrich(BAD, code="2")])
    assert (few.verdict, few.confidence, many.confidence) == ("code", "weak", "strong")
    assert "only one earlier attempt tells its own" in few.evidence[0].details


def test_lateness_without_any_history_is_weak_and_says_so() -> None:
    late = found([*ingest(BAD, minutes=179), *enrich(BAD)])
    assert late.confidence in {"weak", "none"}
    assert "there is no earlier attempt to tell whether that is usual" in strongest(late, "late").details


def test_a_fault_narrowed_to_a_column_says_that_it_narrows_nothing() -> None:
    result = found([*usual(), *ingest(BAD), *enrich(BAD)], Fault(job="test/enrich", nominal=str(BAD), columns=("amount",)))
    assert result.notes == ("column amount narrows nothing here: every field and figure was looked at",)


def test_of_two_events_at_one_moment_the_order_of_arrival_decides_nothing() -> None:
    events = enrich(BAD, code="2")
    other = json.loads(json.dumps(events[1]).replace('"version": "2"', '"version": "3"'))
    there, back = ([*usual(9), *ingest(BAD), events[0], *pair] for pair in ((events[1], other), (other, events[1])))
    assert found(there).to_json() == found(back).to_json()


def test_attempts_that_are_perhaps_the_faults_are_not_what_it_is_compared_with() -> None:
    """They have no nominal time, so that nobody knows whether they are among those chosen; they ran the new code already."""
    unknown = run("enrich", day(DAYS - 1), code="2", hour=22, run_id="unknown")
    for one in unknown:
        one["run"]["facets"].pop("nominalTime", None)  # the two share their facets
    result = found([*usual(), *unknown, *ingest(BAD), *enrich(BAD, code="2")])
    assert (result.verdict, result.evidence[0].before, result.attempts) == ("code", "1.4.0", 2)
