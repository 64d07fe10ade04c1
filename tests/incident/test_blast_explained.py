"""``incident blast --why`` and ``--drafts``, ``lineage gaps``: what people and scripts get to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident.cli.main import run
from tests.small_lake import BAD, FAULT, Terminal, incident_on

TOTAL = f"s3://lake/daily/totals@dt={BAD}"


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return incident_on(tmp_path, monkeypatch, capsys)


def shown(typed: Terminal, *arguments: str) -> str:
    typed.capture.readouterr()
    assert run(list(arguments)) == 0
    return typed.capture.readouterr().out


def test_why_shows_the_chain_with_times_and_how_each_hop_is_known(typed: Terminal) -> None:
    lines = shown(typed, "blast", *FAULT, "--why", TOTAL).splitlines()
    assert lines[0] == f"{TOTAL} is TAINTED, bad since {BAD} 00:30:04 UTC."
    assert lines[1].startswith("  1. shop/orders run 00000000-0000-4000-8000-000000000004 (COMPLETE), 2026-11-17 00:30:01 to ")
    assert lines[2] == f"     wrote s3://lake/clean/orders@dt={BAD} (observed)"
    assert lines[3].startswith("  2. shop/totals run ")
    assert lines[4] == f"     read  s3://lake/clean/orders@dt={BAD} (observed)"
    assert lines[5] == f"     wrote {TOTAL} (observed)"


def test_why_gives_scripts_the_same(typed: Terminal) -> None:
    (one,) = typed.ok("blast", *FAULT, "--why", TOTAL)["why"]
    assert (one["state"], one["partition"], one["reason"]) == ("TAINTED", f"dt={BAD}", None)
    assert [(hop["job"]["name"], hop["certain"], hop["how"]) for hop in one["path"]] == [
        ("orders", True, "observed"),
        ("totals", True, "observed"),
    ]
    assert one["path"][0]["read"] is None
    assert one["path"][1]["read"] == {"cell": f"s3://lake/clean/orders@dt={BAD}", "how": "observed"}
    assert one["path"][1]["start"] < one["path"][1]["end"]


def test_why_suspect_names_the_edge_to_declare_and_what_comes_of_it(typed: Terminal) -> None:
    config = typed.lake.folder / "incident.toml"
    text = config.read_text()
    edge = text[text.index("[[edge]]") : text.index("[[orchestrator]]")]
    config.write_text(text.replace(edge, ""))
    printed = shown(typed, "blast", *FAULT, "--why", "s3://lake/serving/board@*")
    assert "is SUSPECT, perhaps bad since" in printed
    assert "not certain from here on: does not say which partitions of s3://lake/daily/totals it read" in printed
    assert '      [[edge]]\n      job = "shop/board"\n      reads = "s3://lake/daily/totals"\n' in printed
    (one,) = typed.ok("blast", *FAULT, "--why", "s3://lake/serving/board@*")["why"]
    (remedy, *_) = one["remedies"]
    assert remedy["outcome"]

    config.write_text(config.read_text() + "\n" + remedy["toml"])
    (after,) = typed.ok("blast", *FAULT, "--why", "s3://lake/serving/board@*")["why"]
    assert remedy["outcome"].startswith(after["state"]), "what is promised is what comes of it"


def test_why_cleaned_names_who_cleansed_it_and_who_read_it(typed: Terminal) -> None:
    typed.lake.make("shop/orders", f"dt={BAD}", "v2", "right")
    printed = shown(typed, "blast", *FAULT, "--code-version", "v1-bad", "--why", f"s3://lake/clean/orders@dt={BAD}")
    assert f"s3://lake/clean/orders@dt={BAD} is CLEANED" in printed
    assert "  Cleansed by shop/orders run 00000000-0000-4000-8000-000000000001 attempt 2 (COMPLETE), 2026-11-20 " in printed
    assert "Cleaning it has not cleaned those who read it meanwhile:\n    shop/totals run" in printed


def test_why_clean_names_its_writer(typed: Terminal) -> None:
    printed = shown(typed, "blast", *FAULT, "--why", "s3://lake/daily/totals@dt=2026-11-16")
    assert printed.startswith("s3://lake/daily/totals@dt=2026-11-16 is CLEAN: nothing that the fault reached wrote it.\n")
    assert "  Written by shop/totals run" in printed
    assert "    which read s3://lake/clean/orders@dt=2026-11-16, which is CLEAN" in printed


def test_why_after_our_own_purge_names_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = incident_on(tmp_path, monkeypatch, capsys, until="purged")
    printed = shown(typed, "blast", "--why", TOTAL)
    assert f"{TOTAL} is CLEANED" in printed
    assert "  Cleansed by our own purge, plan " in printed


def test_drafts_are_for_pasting_and_for_scripts(typed: Terminal) -> None:
    config = typed.lake.folder / "incident.toml"
    config.write_text(config.read_text() + '\n[[dataset]]\nmatch = "s3://lake/serving/board"\nowners = ["team-board"]\n')
    printed = shown(typed, "blast", *FAULT, "--drafts")
    assert printed.startswith("======== team-board ========\nSubject: Please do not use s3://lake/serving/board for now\n")
    assert "\n======== no owner known ========\n" in printed
    drafts = typed.ok("blast", *FAULT)["drafts"]
    assert [(one["team"], one["serving"]) for one in drafts] == [("team-board", ["s3://lake/serving/board"]), (None, [])]
    assert drafts[0]["text"] in printed


def test_a_declared_incident_gives_the_drafts_its_title(typed: Terminal) -> None:
    typed.ok("declare", "orders in cents", *FAULT)
    assert "Subject: orders in cents: please do not use" in shown(typed, "blast", "--drafts")


def test_scripts_learn_when_readers_run_next_beside_the_contracts_list(typed: Terminal) -> None:
    data = typed.ok("blast", *FAULT)
    assert data["at_risk"] == []
    board = next(one for one in data["at_risk_next"] if one["job"] == "shop/board")
    assert (board["every"], board["reached"], board["retired"]) == (86_400.0, True, False)
    assert board["words"].startswith("about every 24 h, next about 2026-11-21 00:30")


def test_gaps_say_what_to_do(typed: Terminal) -> None:
    config = typed.lake.folder / "incident.toml"
    text = config.read_text()
    config.write_text(text.replace(text[text.index("[[edge]]") : text.index("[[orchestrator]]")], ""))
    printed = shown(typed, "lineage", "gaps")
    reason = "shop/board: 3 of 3 attempts do not say which partitions of s3://lake/daily/totals they read"
    assert f"{reason}\n    → declare an [[edge]] with a window\n" in printed
    assert {"job", "reason", "advice"} <= set(typed.ok("lineage", "gaps")["gaps"][0])
