"""Revert, purge, backfill, verify and undo of Iceberg and Delta tables through the command line, on real tables."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from incident.orchestrators.port import RunOutcome
from lineage.timestamps import render
from runbooks.plan import RunJob
from tests.s3_server import LiveServer
from tests.table_world import KINDS, Table, make

BAD, NEXT = "2026-11-17", "2026-11-18"
ORDERS = f"lake/orders@dt={BAD}"
PRICES = "lake/prices@*"


@dataclass
class Incident:
    """An open incident over two tables: orders by day, of which a day is bad, and the prices that were made from it."""

    folder: Path
    orders: Table
    prices: Table
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        common = ["--home", str(self.folder / "home"), "--config", str(self.folder / "incident.toml"), "--json", "--no-input"]
        self.capsys.readouterr()
        exit_code = run([*arguments, *common])
        envelope: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert exit_code == code, json.dumps(envelope, indent=1)
        return envelope

    def plan(self, *arguments: str) -> dict[str, Any]:
        plan: dict[str, Any] = self(*arguments)["data"]["plan"]
        return plan

    def plan_and_apply(self, *arguments: str) -> str:
        plan_id: str = self.plan(*arguments)["id"]
        data = self(*(arguments if arguments[0] == "undo" else arguments[:1]), "--apply", plan_id)["data"]
        assert (data["failed"], data["drifted"], data["unknown"]) == (0, 0, 0), data
        return plan_id

    def tell(self, number: int, job: str, day: str, write: Callable[[], object], **names: str) -> None:
        """A run and its events."""
        event: dict[str, Any] = {
            "run": {
                "runId": f"00000000-0000-4000-8000-{number:012d}",
                "facets": {"nominalTime": {"nominalStartTime": f"{day}T00:00:00Z", "nominalEndTime": f"{day}T00:00:00Z"}},
            },
            "job": {"namespace": "spark", "name": job},
            "inputs": [{"namespace": "lake", "name": names["reads"]}] if "reads" in names else [],
            "outputs": [{"namespace": "lake", "name": names["writes"]}],
        }
        with (self.folder / "events.ndjson").open("a") as file:
            file.write(json.dumps({"eventType": "START", "eventTime": render(time.time_ns()), **event}) + "\n")
            time.sleep(0.01)
            write()
            time.sleep(0.01)
            if "version" in names:
                event["outputs"][0]["facets"] = {"version": {"datasetVersion": self.orders.version()}}
            file.write(json.dumps({"eventType": "COMPLETE", "eventTime": render(time.time_ns()), **event}) + "\n")
        time.sleep(0.01)


CONFIG = """
[lineage]
sources = ["events.ndjson"]
{storage}
[[catalog]]
name = "test"
type = "sql"
uri = "sqlite:///catalog.db"
warehouse = "{warehouse}"
[[dataset]]
match = "lake/orders"
{orders}
partition = "dt=%Y-%m-%d"
nominal = true
write = "overwrite"
[[dataset]]
match = "lake/prices"
{prices}
partition = false
serving = true
write = "overwrite"
[[edge]]
job = "spark/publish"
reads = "lake/orders"
window = [0, 0]
[[orchestrator]]
jobs = "spark/*"
kind = "command"
command = [{command}, "{{job}}", "{{partition}}"]
"""


@dataclass
class Workers:
    """An orchestrator whose jobs write what they are told to, if anything."""

    made: Incident
    words: dict[str, str]

    def run(self, action: RunJob, log: Path) -> RunOutcome:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        job = action.job.rpartition("/")[2]
        tables = {"enrich": (self.made.orders, BAD), "publish": (self.made.prices, "p")}
        table, day = tables[job]
        if word := self.words.get(job):
            number = 100 + len(self.made.orders.read())
            self.made.tell(number, job, BAD, lambda: table.overwrite(day, word), writes=table.name.strip("/").rpartition("/")[2])
        return RunOutcome(ok=True)

    def code(self, log: Path) -> int | None:
        return 0 if log.exists() else None

    def running(self, log: Path) -> bool:
        del log
        return False


@pytest.fixture(params=[(kind, "local") for kind in KINDS], ids="-".join)
def incident(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Incident:
    form, where = request.param
    server: LiveServer | None = request.getfixturevalue("ministack") if where == "s3" else None
    bucket = None if server is None else server.bucket(versioned=False)
    orders: Table = make(form, tmp_path, bucket)
    prices: Table = make(form, tmp_path, bucket, partitioned=False, name="prices")
    storage = (
        "" if bucket is None else f'[[storage]]\nurl = "s3://{bucket.name}"\nendpoint = "{bucket.endpoint}"\nregion = "us-east-1"'
    )
    worker = f'"{sys.executable}", "-c", "pass"'
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    warehouse = f"{tmp_path.as_uri() if bucket is None else f's3://{bucket.name}'}/warehouse"
    text = CONFIG.format(storage=storage, warehouse=warehouse, orders=said(orders), prices=said(prices), command=worker)
    (tmp_path / "incident.toml").write_text(text)
    made = Incident(tmp_path, orders, prices, capsys)
    for day in ("2026-11-16", BAD, "2026-11-10"):
        orders.put(day, f"good {day}")
    prices.put("p", "good price")
    made.tell(1, "enrich", BAD, lambda: orders.overwrite(BAD, "bad", "worse"), writes="orders")
    made.tell(2, "publish", BAD, lambda: prices.overwrite("p", "bad price"), reads="orders", writes="prices")
    orders.put(NEXT, "clean")
    made("declare", "orders priced in cents", "--job", "spark/enrich", "--nominal", BAD)
    return made


def said(table: Table) -> str:
    if table.form == "delta":
        return f'format = "delta"\nlocation = "{table.name}"'
    return f'format = "iceberg"\ncatalog = "test"\ntable = "{table.name.partition("/")[2]}"'


@pytest.mark.parametrize("incident", [(kind, where) for kind in KINDS for where in ("local", "s3")], indirect=True, ids="-".join)
def test_whole_incident_on_tables_loses_no_row_of_anybody_else(incident: Incident) -> None:
    bad_orders, bad_prices = incident.orders.read(), incident.prices.read()
    plan = incident.plan("revert")
    assert [one["cell"] for one in plan["cells"]] == [PRICES]
    revert = incident.plan_and_apply("revert")
    assert incident.prices.read() == {"p": ["good price"]}
    assert incident.orders.read() == bad_orders
    purge = incident.plan_and_apply("purge")
    assert incident.orders.read() == {day: words for day, words in bad_orders.items() if day != BAD}
    assert incident("verify", code=6)["data"]["ok"] is False

    incident.orders.put(NEXT, "later")  # others go on writing other days
    undo = incident.plan_and_apply("undo", purge)
    assert incident.orders.read() == {**bad_orders, NEXT: ["clean", "later"]}
    assert incident("undo", purge, "--apply", undo)["data"]["already_applied"]
    incident.plan_and_apply("undo", revert)
    assert incident.prices.read() == bad_prices
    again = incident.plan_and_apply("revert")
    assert again != revert
    assert incident.prices.read() == {"p": ["good price"]}


def test_a_partition_is_reverted_with_all_others_left_as_they_are(incident: Incident) -> None:
    before = incident.orders.read()
    incident.plan_and_apply("revert", "--include", ORDERS)
    assert incident.orders.read() == {**before, BAD: [f"good {BAD}"]}


def test_the_version_that_a_bad_run_says_it_made_decides_over_times(incident: Incident) -> None:
    """Somebody wrote the day well while the bad run was at work already; that is not given up."""
    orders = incident.orders
    incident("close", "--unverified", "another fault is looked at")

    def write() -> None:
        orders.overwrite(NEXT, "well")
        time.sleep(0.02)
        orders.overwrite(NEXT, "bad again")

    before = set(versions(orders))
    incident.tell(7, "refine", NEXT, write, writes="orders", version="yes")
    assert len(set(versions(orders)) - before) >= 2
    incident("declare", "refined badly", "--job", "spark/refine", "--nominal", NEXT)
    incident.plan_and_apply("revert", "--include", f"lake/orders@dt={NEXT}", "--skip-refused")
    assert orders.read()[NEXT] == ["well"]


def versions(table: Table) -> list[str]:
    return [one.version for one in table.open().history()[0]]


def test_what_was_made_again_is_never_undone(incident: Incident) -> None:
    incident.plan_and_apply("revert")
    purge = incident.plan_and_apply("purge")
    incident("fix", "divided by a hundred", "--good-from", str(render(time.time_ns())))
    incident.tell(3, "enrich", BAD, lambda: incident.orders.overwrite(BAD, "right"), writes="orders")
    plan = incident.plan("undo", purge)
    assert plan["actions"] == 0
    assert incident.orders.read()[BAD] == ["right"]
    names = {one["name"]: one["status"] for one in incident("verify")["data"]["checks"]}
    assert names["purged cells are back"] == "ok"
    assert names["no bad version is current"] == "ok"


def test_what_was_committed_to_a_cell_since_the_plan_stays(incident: Incident) -> None:
    plan = incident.plan("purge", "--skip-refused")
    incident.orders.put(BAD, "just written")
    data = incident("purge", "--apply", plan["id"], code=5)["data"]
    assert data["drifted"] == 1
    assert incident.orders.read()[BAD] == ["bad", "just written", "worse"]


def test_a_whole_table_is_not_set_back_over_what_others_committed(incident: Incident) -> None:
    incident.prices.put("p", "somebody's own")
    refused = incident("revert", code=3)["data"]["plan"]["refused"]
    assert [one["code"] for one in refused] == ["drops-commits"]
    revert = incident.plan("revert", "--include", PRICES)
    incident.prices.put("p", "more")
    assert incident("revert", "--apply", revert["id"], code=5)["problems"][0]["code"] == "stale"
    assert incident.prices.read() == {"p": ["bad price", "more", "somebody's own"]}


@pytest.mark.parametrize("works", [True, False])
def test_a_backfill_is_believed_only_when_the_table_has_new_files(
    incident: Incident, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    workers = Workers(incident, {"enrich": "right", "publish": "right price"} if works else {})
    monkeypatch.setattr("incident.commands.backfill.opened", lambda _config: workers)
    incident.plan_and_apply("revert")
    incident.plan_and_apply("purge")
    incident("fix", "divided by a hundred", "--good-from", str(render(time.time_ns())))
    plan = incident.plan("backfill")
    envelope = incident("backfill", "--apply", plan["id"], code=0 if works else 1)
    if works:
        assert incident.orders.read()[BAD] == ["right"]
        assert incident("verify")["data"]["ok"]
        incident("close")
    else:
        assert "has no objects" in json.dumps(envelope["problems"])


def test_doctor_reaches_every_table_or_says_what_is_missing(incident: Incident, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {one["name"]: one for one in incident("doctor")["data"]["checks"]}
    assert checks["table lake/orders"]["status"] == "ok"
    assert checks["table lake/orders"]["detail"].startswith(f"at version {incident.orders.version()}")
    library = "pyiceberg" if incident.orders.form == "iceberg" else "deltalake"
    for name in [one for one in sys.modules if one.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    envelope = incident("doctor", code=1)
    assert {one["status"] for one in envelope["data"]["checks"] if one["name"].startswith("table ")} == {"fail"}
    assert f"pip install 'dataops-incident[{incident.orders.form}]'" in json.dumps(envelope["problems"])
    refused = incident("revert", code=3)["data"]["plan"]["refused"]
    assert [one["code"] for one in refused] == ["not-installed"]
    assert "pip install" in refused[0]["why"]


def test_a_table_that_is_not_reached_changes_nothing(incident: Incident) -> None:
    plan = incident.plan("revert")
    before = incident.prices.read()
    moved = incident.folder / ("catalog.db" if incident.orders.form == "iceberg" else "prices")
    moved.rename(moved.with_name("elsewhere"))
    for arguments in (("revert",), ("revert", "--apply", plan["id"])):
        exit_code = run([*arguments, "--home", str(incident.folder / "home"), "--config", str(incident.folder / "incident.toml")])
        assert exit_code in {1, 2, 3}
    moved.with_name("elsewhere").rename(moved)
    assert incident.prices.read() == before
    incident("revert", "--apply", plan["id"])
    assert incident.prices.read() == {"p": ["good price"]}
