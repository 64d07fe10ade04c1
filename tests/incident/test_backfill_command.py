"""``backfill``: shows an ordered plan, runs it wave by wave, and believes storage rather than exit codes."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from incident.home import Home
from incident.journal import Journal
from incident.orchestrators.command import CommandOrchestrator
from incident.orchestrators.port import RunOutcome
from incident.outputs import Newest
from runbooks.plan import RunJob
from tests.small_lake import Lake, Terminal, incident_on

BAD_ORDERS, BAD_TOTALS, BOARD = "shop/orders dt=2026-11-17", "shop/totals dt=2026-11-17", "shop/board *"


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def purged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return incident_on(tmp_path, monkeypatch, capsys, until="purged")


def test_the_plan_names_each_run_with_its_wave_and_command_and_changes_nothing(purged: Terminal) -> None:
    before = purged.lake.contents()
    data = purged.ok("backfill")
    assert data["saved"]
    assert [(one["wave"], one["job"], one["partition"]) for one in data["plan"]["sample"]] == [
        (1, "shop/orders", "dt=2026-11-17"),
        (2, "shop/totals", "dt=2026-11-17"),
        (3, "shop/board", "*"),
    ]
    assert data["plan"]["sample"][0]["command"] == ["make-it", "shop/orders", "dt=2026-11-17"]
    assert data["plan"]["sample"][0]["start"] == "2026-11-17T00:00:00Z"
    assert data["plan"]["sample"][0]["end"] == "2026-11-18T00:00:00Z"
    assert (purged.lake.contents(), purged.lake.runs) == (before, [])
    assert purged("backfill", "--detailed-exitcode")[0] == 8


def test_apply_makes_everything_again_in_order_and_a_second_time_does_nothing(purged: Terminal) -> None:
    plan_id = purged.ok("backfill")["plan"]["id"]
    data = purged.ok("backfill", "--apply", plan_id)
    assert (data["done"], data["failed"], data["unknown"], data["drifted"]) == (3, 0, 0, 0)
    assert purged.lake.runs == [BAD_ORDERS, BAD_TOTALS, BOARD]
    again = purged.ok("backfill", "--apply", plan_id)
    assert again["already_applied"]
    assert len(purged.lake.runs) == 3
    assert purged.ok("backfill")["plan"]["actions"] == 0


def test_without_lineage_of_its_own_the_backfills_journal_is_enough(purged: Terminal) -> None:
    purged.lake.silent = True
    purged.plan_and_apply("backfill")
    assert purged.ok("backfill")["plan"]["actions"] == 0


def test_a_failed_run_stops_before_the_next_wave_and_resume_goes_on(purged: Terminal) -> None:
    purged.lake.broken = {BAD_TOTALS}
    plan_id = purged.ok("backfill")["plan"]["id"]
    code, envelope = purged("backfill", "--apply", plan_id)
    assert code == 1
    problem = envelope["problems"][0]
    assert "table is locked" in problem["message"]
    assert "incident resume" in problem["hint"]
    assert envelope["data"]["done"] == 1
    assert envelope["data"]["failed"] == 1
    assert purged.lake.runs == [BAD_ORDERS]
    (log,) = (purged.lake.folder / "home").glob(f"*/backfill/{plan_id}/2.log")
    assert log.read_text() == "make-it shop/totals dt=2026-11-17"
    purged.lake.broken = set()
    assert purged.ok("resume")["done"] == 3
    assert purged.lake.runs == [BAD_ORDERS, BAD_TOTALS, BOARD]
    assert purged("verify")[0] == 0


def test_done_is_never_proof_exit_code_0_without_output_is_a_failure(purged: Terminal) -> None:
    purged.lake.lying = {BAD_ORDERS}
    code, envelope = purged("backfill", "--apply", purged.ok("backfill")["plan"]["id"])
    assert code == 1
    assert "has no objects under s3://lake/clean/orders/dt=2026-11-17/" in envelope["problems"][0]["message"]
    assert purged.lake.runs == []


def test_output_that_is_older_than_the_run_is_no_output(purged: Terminal) -> None:
    purged.lake.lying = {BOARD}
    code, envelope = purged("backfill", "--apply", purged.ok("backfill")["plan"]["id"])
    assert code == 1
    assert "has only older objects under s3://lake/serving/board/" in envelope["problems"][0]["message"]


def test_ctrl_c_stops_the_run_and_resume_runs_it_again(purged: Terminal) -> None:
    purged.lake.interrupted = {BAD_TOTALS}
    code, envelope = purged("backfill", "--apply", purged.ok("backfill")["plan"]["id"])
    assert code == 130
    assert "incident resume" in envelope["problems"][0]["hint"]
    for phase in ("revert", "purge", "backfill"):
        code, envelope = purged(phase)
        assert (code, envelope["problems"][0]["code"]) == (3, "interrupted-apply"), "nothing is planned on what is half done"
    assert purged("verify")[0] == 6
    assert purged.ok("resume")["done"] == 3
    assert purged.lake.runs == [BAD_ORDERS, BAD_TOTALS, BOARD]


@pytest.mark.parametrize("code", [0, 1, None])
def test_a_run_whose_end_nobody_saw_counts_only_if_it_ended_well(purged: Terminal, code: int | None) -> None:
    plan_id = purged.ok("backfill")["plan"]["id"]
    (folder,) = Home(purged.lake.folder / "home").incidents()
    with Journal(folder.journal_dir, plan_id, {"name": "t"}) as journal:
        journal.begin(3, purged.lake.tick())
        lay = Newest.of(purged.lake.store.histories("lake", "clean/orders/dt=2026-11-17/"))
        journal.intent([0], purged.lake.tick(), {"s3://lake/clean/orders@dt=2026-11-17": lay.to_json()})
    logs = folder.path / "backfill" / plan_id
    logs.mkdir(parents=True)
    (logs / "1.running").touch()
    code, envelope = purged("resume")
    assert (code, envelope["problems"][0]["code"]) == (1, "still-running")
    (logs / "1.running").unlink()
    purged.lake.make("shop/orders", "dt=2026-11-17", "v2", "made by the run that outlived us")
    if code is not None:
        purged.lake.ended["1"] = code
    assert purged.ok("resume")["done"] == 3
    again = [] if code == 0 else [BAD_ORDERS]
    assert purged.lake.runs == [BAD_ORDERS, *again, BAD_TOTALS, BOARD]


def test_a_run_that_left_no_output_is_run_again(purged: Terminal) -> None:
    plan_id = purged.ok("backfill")["plan"]["id"]
    (folder,) = Home(purged.lake.folder / "home").incidents()
    with Journal(folder.journal_dir, plan_id, {"name": "t"}) as journal:
        journal.begin(3, purged.lake.tick())
        journal.intent([0], purged.lake.tick())
    assert purged.ok("resume")["done"] == 3
    assert purged.lake.runs == [BAD_ORDERS, BAD_TOTALS, BOARD]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("at", [BAD_ORDERS, BAD_TOTALS, BOARD])
def test_wherever_the_process_ends_resume_ends_where_an_uninterrupted_run_ends(
    purged: Terminal, monkeypatch: pytest.MonkeyPatch, at: str, moment: str
) -> None:
    plan_id = purged.ok("backfill")["plan"]["id"]
    lake = purged.lake

    def ends(action: RunJob, log: Path) -> RunOutcome:
        crashing = f"{action.job} {action.partition}" == at
        if crashing and moment == "before":
            raise Crash
        outcome = Lake.run(lake, action, log)
        if crashing:
            raise Crash
        return outcome

    monkeypatch.setattr(lake, "run", ends)
    purged("backfill", "--apply", plan_id)
    monkeypatch.setattr(lake, "run", lambda action, log: Lake.run(lake, action, log))
    assert purged.ok("resume")["done"] == 3
    assert lake.runs == [BAD_ORDERS, BAD_TOTALS, BOARD], "what was made is not made twice"
    assert purged("verify")[0] == 0


def test_ctrl_c_ends_the_real_program_at_once(purged: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    config = purged.lake.folder / "incident.toml"
    config.write_text(config.read_text().replace('"make-it"', '"sh", "-c", "sleep 60", "make-it"'))
    monkeypatch.setattr("incident.commands.backfill.opened", lambda _config: CommandOrchestrator(purged.lake.folder))
    plan_id = purged.ok("backfill")["plan"]["id"]
    main = threading.get_ident()

    def interrupt() -> None:
        while not any(log.stat().st_size for log in (purged.lake.folder / "home").glob("*/backfill/*/1.log")):
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    code, envelope = purged("backfill", "--apply", plan_id)
    assert code == 130
    assert "was stopped" in envelope["problems"][0]["message"]


def test_a_plan_of_before_another_apply_is_stale(purged: Terminal) -> None:
    plan_id = purged.ok("backfill")["plan"]["id"]
    purge_id = next(one["id"] for one in purged.ok("status")["plans"] if one["id"].startswith("purge-"))
    undo_id = purged.ok("undo", purge_id)["plan"]["id"]
    purged.ok("undo", "--apply", undo_id)
    code, envelope = purged("backfill", "--apply", plan_id)
    assert (code, envelope["problems"][0]["code"]) == (5, "stale")
    assert purged.lake.runs == []


def test_cells_without_an_orchestrator_are_refused_until_they_are_skipped(purged: Terminal) -> None:
    config = purged.lake.folder / "incident.toml"
    config.write_text(config.read_text().replace('jobs = "shop/*"', 'jobs = "shop/[!t]*"'))
    code, envelope = purged("backfill")
    assert (code, envelope["ok"], envelope["data"]["saved"]) == (3, False, False)
    refused = {one["what"]: one["code"] for one in envelope["data"]["plan"]["refused"]}
    assert refused == {"s3://lake/daily/totals@dt=2026-11-17": "no-orchestrator", "s3://lake/serving/board@*": "missing-input"}
    assert purged("backfill", "--apply", envelope["data"]["plan"]["id"])[0] == 2
    skipped = purged.ok("backfill", "--skip-refused")
    assert [one["job"] for one in skipped["plan"]["sample"]] == ["shop/orders"]
    named = purged.ok("backfill", "--skip-refused", "--include", "serving/board@*")
    assert [one["job"] for one in named["plan"]["sample"]] == ["shop/orders", "shop/board"]


def test_an_include_that_names_nothing_missing_is_refused(purged: Terminal) -> None:
    code, envelope = purged("backfill", "--include", "clean/orders@dt=2026-11-18")
    assert (code, envelope["data"]["plan"]["refused"][0]["code"]) == (3, "not-included")


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ('kind = "command"', 'kind = "luigi"', "'luigi' is not supported yet"),
        ('"{partition}"]', '"{day}"]', "unknown placeholder {day}"),
    ],
)
def test_a_configuration_that_cannot_run_jobs_is_said_so(purged: Terminal, was: str, becomes: str, words: str) -> None:
    config = purged.lake.folder / "incident.toml"
    config.write_text(config.read_text().replace(was, becomes))
    code, envelope = purged("backfill")
    assert code == 2
    assert words in envelope["problems"][0]["message"]


def test_a_fault_of_a_job_needs_its_fix_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = incident_on(tmp_path, monkeypatch, capsys, until="declared")
    code, envelope = terminal("backfill")
    assert (code, envelope["problems"][0]["code"]) == (3, "not-fixed")
    assert "incident fix" in envelope["problems"][0]["hint"]
