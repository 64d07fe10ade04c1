"""A plan acts only where, and under the rules under which, it was shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from incident.home import Home
from lineage.timestamps import SECOND
from runbooks.survey import Expiry
from tests.small_lake import Lake, Terminal, incident_on


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return incident_on(tmp_path, monkeypatch, capsys, until="fixed")


def rule(text: str) -> Callable[[Lake], None]:
    """The configuration is edited."""

    def edit(lake: Lake) -> None:
        path = lake.folder / "incident.toml"
        path.write_text(path.read_text() + f'\n[[dataset]]\nmatch = "s3://lake/clean/orders"\n{text}\n')

    return edit


def another_server(lake: Lake) -> None:
    lake.store.buckets["lake"] = replace(lake.store.buckets["lake"], server="https://elsewhere.example")


def another_lifecycle(lake: Lake) -> None:
    lake.store.buckets["lake"] = replace(lake.store.buckets["lake"], expiries=(Expiry("", 1),))


def suspended(lake: Lake) -> None:
    lake.store.buckets["lake"] = replace(lake.store.buckets["lake"], versioning="Suspended")


@pytest.mark.parametrize(
    "change",
    [
        rule("protected = true"),
        rule('location = "s3://lake/daily/totals"'),
        rule('format = "iceberg"'),
        rule('partition = "day=%Y-%m-%d"'),
        another_server,
        another_lifecycle,
        suspended,
    ],
)
def test_a_plan_whose_ground_has_changed_is_refused_before_anything_is_begun(
    terminal: Terminal, change: Callable[[Lake], None]
) -> None:
    plan_id = terminal.ok("purge")["plan"]["id"]
    listing, head = terminal.lake.store.listing("lake"), terminal.ok("timeline")["head"]
    change(terminal.lake)
    code, envelope = terminal("purge", "--apply", plan_id)
    assert (code, envelope["problems"][0]["code"]) == (5, "stale")
    assert "incident purge" in envelope["problems"][0]["hint"]
    assert terminal.lake.store.listing("lake") == listing
    assert terminal.ok("timeline")["head"] == head
    assert terminal.ok("resume")["plan_id"] is None


def test_the_lineage_that_a_plan_is_made_from_is_never_purged(terminal: Terminal) -> None:
    events = (terminal.lake.folder / "events.ndjson").read_bytes()
    terminal.lake.store.put("lake", "clean/orders/dt=2026-11-17/lineage/events.ndjson", events)
    source = "s3://lake/clean/orders/dt=2026-11-17/lineage/"
    code, envelope = terminal("purge", "--lineage", source)
    assert (code, envelope["problems"][0]["code"]) == (3, "refused")
    assert "dt=2026-11-17/ holds the lineage" in envelope["problems"][0]["message"]


def test_a_plan_says_when_our_clock_is_not_the_storage_s(terminal: Terminal) -> None:
    assert not any("clock" in one for one in terminal.ok("purge")["plan"]["warnings"])
    terminal.lake.store.buckets["lake"] = replace(terminal.lake.store.buckets["lake"], told=terminal.lake.now + 3_600 * SECOND)
    assert any(" s behind" in one for one in terminal.ok("purge")["plan"]["warnings"])


def test_what_was_applied_stays_undoable_after_its_dataset_became_protected(terminal: Terminal) -> None:
    before = terminal.lake.contents()
    plan_id = terminal.ok("purge")["plan"]["id"]
    terminal.ok("purge", "--apply", plan_id)
    rule("protected = true")(terminal.lake)
    assert terminal.ok("purge", "--apply", plan_id)["already_applied"]
    undo = terminal.ok("undo", plan_id)["plan"]["id"]
    terminal.ok("undo", plan_id, "--apply", undo)
    assert terminal.lake.contents() == before


def test_only_the_plan_that_was_shown_is_applied_whatever_lies_under_its_id(terminal: Terminal) -> None:
    """Somebody made another file whose hash begins alike; the timeline has the whole hash of what was shown."""
    plan = terminal.ok("purge")["plan"]
    event = [one for one in terminal.ok("timeline")["events"] if one["kind"] == "planned"][-1]
    assert event["evidence"]["sha256"] == plan["sha256"]
    assert plan["sha256"].startswith(plan["id"].partition("-")[2])
    [folder] = [path.parent for path in (terminal.lake.folder / "home").rglob("plans")]
    home = Home(folder.parent).incident(folder.name)
    home.timeline.append("planned", "another", evidence={"plan_id": plan["id"], "sha256": "0" * 64})
    listing = terminal.lake.store.listing("lake")
    code, envelope = terminal("purge", "--apply", plan["id"])
    assert (code, envelope["problems"][0]["code"]) == (1, "plan-damaged")
    assert terminal.lake.store.listing("lake") == listing
