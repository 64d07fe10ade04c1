"""Counters by run: CSV and JSON, what is wrong with them by line, and what triage makes of them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.counters import Counter, read_counters
from lineage.errors import SourceUnreadable
from tests.lineage.triage_histories import BAD, DAYS, FAULT, day, enrich, found, strongest


def written(folder: Path, text: str, name: str = "counters") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


EXPECTED = [("r1", "MAP_INPUT_RECORDS", 1000.0), ("r2", "bad records", 0.5)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("run_id,counter,value\nr1,MAP_INPUT_RECORDS,1000\nr2,bad records,0.5\n", id="csv"),
        pytest.param(
            '\ufeffValue,Run_ID,Counter,host\r\n1000,r1,"MAP_INPUT_RECORDS",a\r\n0.5,r2,bad records,b\r\n', id="csv-as-excel"
        ),
        pytest.param(
            json.dumps([dict(zip(("run_id", "counter", "value"), row, strict=True)) for row in EXPECTED], indent=1), id="list"
        ),
        pytest.param(
            "\n".join(json.dumps(dict(zip(("run_id", "counter", "value"), row, strict=True))) for row in EXPECTED), id="ndjson"
        ),
        pytest.param('{"r1": {"MAP_INPUT_RECORDS": 1000},\n "r2": {"bad records": "0.5"}}', id="object"),
        pytest.param('[{"r1": {"MAP_INPUT_RECORDS": 1000}}, {"r2": {"bad records": 0.5}}]', id="list-of-objects"),
    ],
)
def test_every_form_gives_the_same_counters(tmp_path: Path, text: str) -> None:
    assert [(one.run_id, one.name, one.value) for one in read_counters(written(tmp_path, text))] == EXPECTED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", ":1: no column run_id or counter or value", id="empty"),
        pytest.param("run,counter,value\n", ":1: no column run_id", id="no-column"),
        pytest.param("run_id,counter,value\nr1,a,1\nr2,b,many\n", ":3: value 'many' is not a number", id="no-number"),
        pytest.param("run_id,counter,value\nr1,a,nan\n", ":2: value 'nan' is not a number", id="not-finite"),
        pytest.param("run_id,counter,value\nr1,a\n", ":2: value 'None' is not a number", id="too-short"),
        pytest.param("run_id,counter,value\nr1,a,1,2\n", ":2: more values than columns", id="too-long"),
        pytest.param("run_id,counter,value\n,a,1\n", ":2: no run_id", id="no-run"),
        pytest.param("run_id,counter,value,attempt\nr1,a,1,-1\n", ":2: attempt '-1' is not a whole number", id="attempt"),
        pytest.param('[\n{"run_id": "r1", "counter": "a", "value": 1},\n{"run_id": "r1"}]', ":3: no counter", id="no-counter"),
        pytest.param('[{"run_id": "r1", "counter": "a", "value": true}]', ":1: value 'True' is not a number", id="boolean"),
        pytest.param("[\n1]", ":2: not an object but a int", id="not-object"),
        pytest.param('[{"run_id": "r1",\n "counter" "a"}]', ":2: not JSON", id="not-json"),
        pytest.param('[{"run_id": "r1", "counter": "a", "value": 1}', ":1: the list has no end", id="no-end"),
        pytest.param('[{"run_id": "r1", "counter": "a", "value": 1}] x', ":1: the list has no end", id="more"),
        pytest.param('{"run_id": "r1", "counter": "a", "value": 1}]', ":1: the list has no end", id="no-start"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceUnreadable) as raised:
        read_counters(written(tmp_path, text))
    assert message in raised.value.message
    assert raised.value.hint


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="No such file"):
        read_counters(str(tmp_path / "none.csv"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceUnreadable, match="not a text"):
        read_counters(str(tmp_path / "binary"))


@given(text=st.one_of(st.text(max_size=60), st.text('[]{},:"\n\\ 1arun_idcounterval', max_size=60)))
def test_any_text_is_counters_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(text.encode("utf-8", "replace"))
    with contextlib.suppress(SourceUnreadable):
        assert isinstance(read_counters(str(path)), tuple)


def test_counters_stand_in_for_statistics() -> None:
    events = [one for number in range(DAYS) for one in enrich(day(number), rows=None)]
    counters = [
        Counter(f"enrich-{day(number)}", "MAP_INPUT_RECORDS", 1000.0 + number % 5, f"c.csv:{number + 2}") for number in range(DAYS)
    ]
    counters += [Counter(f"enrich-{BAD}", "MAP_INPUT_RECORDS", 7.0, "c.csv:32"), Counter("no-such-run", "x", 1.0, "c.csv:33")]
    triage = found([*events, *enrich(BAD, rows=None)], FAULT, counters)
    assert triage.verdict == "data"
    evidence = strongest(triage, "volume")
    assert (evidence.after, evidence.source) == ("7", "c.csv:32")
    assert any("no-such-run" in note for note in triage.notes)


def test_counters_of_what_goes_out_support_no_hypothesis() -> None:
    events = [one for number in range(DAYS) for one in enrich(day(number), rows=None)]
    runs = [*(day(number) for number in range(DAYS)), BAD]
    counters = [
        Counter(f"enrich-{of}", name, 1.0 if of == BAD else 100.0 + of.day % 3, "c.json:1")
        for of in runs
        for name in ("recordsWritten", "GC_TIME")
    ]
    triage = found([*events, *enrich(BAD, rows=None)], FAULT, counters)
    assert triage.evidence == ()
    assert len(triage.shown) == 2


def test_a_counter_may_name_its_attempt() -> None:
    bad = [*enrich(BAD, rows=None, state="FAIL", run_id="again"), *enrich(BAD, rows=None, hour=5, run_id="again")]
    events = [one for number in range(DAYS) for one in enrich(day(number), rows=None)]
    counters = [Counter(f"enrich-{day(number)}", "records read", 1000.0, "c:1") for number in range(DAYS)]
    counters += [Counter("again", "records read", 3.0, "c:2", attempt=0), Counter("again", "records read", 1000.0, "c:3")]
    triage = found([*events, *bad], FAULT, counters)
    assert (triage.first_bad.number, strongest(triage, "volume").after) == (0, "3")
