"""``incident lineage gaps --suggest`` prints configuration, and pasting it narrows the radius without losing anything."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from incident.config import load
from incident.demo.configuration import write_configuration
from incident.demo.settings import Settings
from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.datasets import DatasetId
from lineage.declarations import Declarations
from lineage.events import Event, event
from lineage.fault import Fault
from lineage.history import build as told
from lineage.layouts import Layout
from lineage.partitions import overlap
from lineage.sources import Problems, read
from lineage.suggest import suggest
from lineage.suggest_toml import toml
from tests.demo_rows import build

FAULT = Fault(job="demo/enrich", code_versions=("1.4.1",))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        yield build(tmp_path_factory.mktemp("lake"), patch, again=("2026-10-30", "2026-10-31"))


@pytest.fixture
def typed(lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without configuration, where the lineage is named by hand."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    return tmp_path


def type_in(*arguments: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        assert run(list(arguments)) == 0
    return out.getvalue()


def events_of(settings: Settings) -> list[Event]:
    return list(read([str(settings.events)], Problems()))


def radius(events: list[Event], declared: Declarations) -> BlastRadius:
    return blast(told(events, declared), FAULT)


def attempts(found: BlastRadius, *states: str) -> set[tuple[str, int]]:
    return {(one.run_id, one.number) for one in found.attempts if one.state in states}


def test_what_is_printed_is_configuration_and_nothing_else(lake: Settings, typed: Path) -> None:
    printed = type_in("lineage", "gaps", "--suggest", "--lineage", str(lake.events))
    (typed / "incident.toml").write_text(printed, encoding="utf-8")

    declared = load(str(typed / "incident.toml")).declarations
    assert declared.datasets
    assert declared.edges
    assert "#   s3://lake (12 datasets)" in printed
    assert "explains 7 of 7 runs" in printed


def test_pasted_it_narrows_the_radius_and_keeps_every_must(lake: Settings, typed: Path) -> None:
    (typed / "incident.toml").write_text(type_in("lineage", "gaps", "--suggest", "--lineage", str(lake.events)), encoding="utf-8")
    events = events_of(lake)
    bare = radius(events, Declarations())
    pasted = radius(events, load(str(typed / "incident.toml")).declarations)
    truth = radius(events, load(str(write_configuration(lake))).declarations)

    assert attempts(pasted, "TAINTED", "SUSPECT") < attempts(bare, "TAINTED", "SUSPECT"), "smaller"
    assert attempts(pasted, "TAINTED", "SUSPECT") >= attempts(bare, "TAINTED") | attempts(truth, "TAINTED")
    for must in (one.cell for one in truth.cells if one.state == "TAINTED"):
        found = [one for one in pasted.dirty() if one.cell.dataset == must.dataset and overlap(one.cell.partition, must.partition)]
        assert found, f"{must} is bad for certain and would be lost"


def test_every_guess_is_valid_configuration_too(lake: Settings, tmp_path: Path) -> None:
    text = toml(suggest(events_of(lake), Declarations()))
    lines = [line.removeprefix("# ") for line in text.splitlines() if re.match(r"(# )?(\[\[|\w+ = )", line)]
    (tmp_path / "incident.toml").write_text("\n".join(lines), encoding="utf-8")

    declared = load(str(tmp_path / "incident.toml")).declarations
    assert declared.dataset(DatasetId("s3://lake", "metrics/daily")).partition == Layout("dt=%Y-%m-%d")
    assert len(declared.edges) == 13


def test_what_the_demo_team_declared_by_hand_is_found_or_asked_about(lake: Settings) -> None:
    found = {(one.subject, one.key): (one.value, one.sure) for one in suggest(events_of(lake), Declarations()).suggestions}
    dated, whole = ("dt=%Y-%m-%d", True), (False, False)

    assert {
        name: found[(f"s3://lake/{name}",), "partition"] for name in ("enriched/orders", "accounts/balance", "trial/baskets")
    } == {
        "enriched/orders": dated,
        "accounts/balance": dated,
        "trial/baskets": dated,
    }
    assert found[("s3://lake/metrics/monthly",), "partition"] == ("month=%Y-%m", True)
    assert found[("s3://lake/serving/dashboard",), "partition"] == whole, "only a guess: a root path says as little"
    assert found[("s3://lake/enriched/orders",), "nominal"] == (True, True)
    assert found[("s3://lake/enriched/orders",), "write"] == ("overwrite", True), "two days were made again"
    assert found[("s3://lake/raw/customers",), "write"] == ("overwrite", False), "never seen"
    assert found[("s3://lake/serving/dashboard",), "serving"] == (True, True)
    assert (("s3://lake/enriched/orders",), "serving") not in found
    assert found[("demo/fraud_model", "s3://lake/enriched/orders"), "window"] == ((-6, 0), True)
    assert found[("demo/dashboard", "s3://lake/metrics/rolling7"), "window"] == ("identity", True)
    assert found[("demo/balance", "s3://lake/accounts/balance"), "until"] == ("latest", True)
    assert found[("demo/monthly", "s3://lake/metrics/daily"), "window"] == ("contained", False), "a guess, by the grain"


def test_what_is_declared_is_not_suggested_again(lake: Settings, typed: Path) -> None:
    declared = load(str(write_configuration(lake))).declarations
    found = suggest(events_of(lake), declared).suggestions

    assert not [one for one in found if one.key in {"partition", "nominal", "write", "owners"}]
    assert ("demo/enrich", "s3://lake/raw/orders") not in {one.subject for one in found}


def test_scripts_get_gaps_suggestions_and_the_text(lake: Settings, typed: Path) -> None:
    data: dict[str, Any] = json.loads(type_in("lineage", "gaps", "--suggest", "--json", "--lineage", str(lake.events)))["data"]

    assert data["toml"] == type_in("lineage", "gaps", "--suggest", "--lineage", str(lake.events))
    assert data["buckets"] == {"lake": 12}
    assert all(gap["reason"] and gap["advice"] for gap in data["gaps"])
    window = next(one for one in data["suggestions"] if one.get("job") == "demo/fraud_model")
    assert window == {
        "table": "edge",
        "job": "demo/fraud_model",
        "reads": "s3://lake/enriched/orders",
        "key": "window",
        "value": [-6, 0],
        "evidence": "explains 2 of 2 runs that name what they read",
        "explains": 2,
        "of": 2,
        "sure": True,
    }


@pytest.mark.parametrize(
    "name",
    [
        'quo"te',
        "new\nline",
        "back\\slash",
        "bell\x07",
        "del\x7f",
        "st*r",
        "[brackets]",
        "que?stion",
        "ünïcode ☃",
        "#comment",
        "\u2028",
    ],
)
def test_no_name_breaks_the_text_or_matches_another(name: str, tmp_path: Path) -> None:
    raw = {
        "eventType": "COMPLETE",
        "eventTime": "2026-11-18T00:00:00Z",
        "run": {"runId": "r"},
        "job": {"namespace": "ns", "name": f"job {name}", "facets": {"ownership": {"owners": [{"name": f"team {name}"}]}}},
        "inputs": [{"namespace": "s3://lake", "name": f"in {name}/dt=2026-11-18"}],
        "outputs": [{"namespace": "s3://lake", "name": f"out {name}/dt=2026-11-18"}],
    }
    events = [event({**raw, "run": {"runId": str(number)}}) for number in range(3)]
    (tmp_path / "incident.toml").write_text(toml(suggest(events, Declarations())), encoding="utf-8")

    declared = load(str(tmp_path / "incident.toml")).declarations
    assert declared.dataset(events[0].outputs[0].dataset).owners == (f"team {name}",)
    assert declared.dataset(events[0].inputs[0].dataset).partition is not None
    assert declared.dataset(DatasetId("s3://lake", "out star")).owners is None
    assert declared.edge(events[0].job or pytest.fail("no job"), events[0].inputs[0].dataset) is not None
