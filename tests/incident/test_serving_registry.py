"""The registry of what serves, on a small lake in memory: kinds of pointers, trained models, and what has no pointer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from incident.pointers import glue
from incident.pointers.mlflow import open_alias
from incident.pointers.objects import ObjectPointer
from tests.mlflow_server import registry
from tests.pointer_world import FakeCatalog, table
from tests.small_lake import CONFIG, Terminal, incident_on

BOARD = "s3://lake/serving/board"
MODELS = """
[[dataset]]
match = "s3://lake/models/churn"
partition = "v={v}"

[[serving]]
name = "churn scores"
model = "s3://lake/models/churn"
pointer = "%s"
target = "s3://lake/models/churn/v={value}/"
owners = ["team-ml"]
"""
BOOK = """
name: x
title: x
description: x
params:
  value:
    type: list
    description: x
steps:
  - id: revert
    verb: revert
    why: x
    gate: plan
    with:
      pointer: "{value}"
"""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return incident_on(tmp_path, monkeypatch, capsys)


def train(terminal: Terminal, version: str, code: str) -> None:
    """A model trained, and its alias moved to it."""
    lake = terminal.lake
    place = f"models/churn/v={version}"
    event = {
        "producer": "https://example.org/pipeline",
        "run": {"runId": f"00000000-0000-4000-9000-{int(version):012d}"},
        "job": {"namespace": "shop", "name": "train", "facets": {"sourceCodeLocation": {"version": code}}},
        "inputs": [],
        "outputs": [{"namespace": "s3://lake", "name": place}],
    }
    lake._event("START", event)
    lake.store.put("lake", f"{place}/model.bin", f"{code} {version}".encode())
    lake._event("COMPLETE", event)


def models(terminal: Terminal, pointer: str) -> None:
    configure(terminal, MODELS % pointer)
    for version, code in (("6", "v1"), ("7", "v1-bad")):
        train(terminal, version, code)
        alias(terminal, pointer, f"{version}\n")
    terminal.ok("declare", "bad model", "--job", "shop/train", "--code-version", "v1-bad")


def alias(terminal: Terminal, pointer: str, text: str) -> None:
    if pointer.startswith("file://"):
        Path(pointer.removeprefix("file://")).write_text(text)
    else:
        terminal.lake.store.put("lake", pointer.removeprefix("s3://lake/"), text.encode())


def configure(terminal: Terminal, more: str) -> None:
    (terminal.lake.folder / "incident.toml").write_text(CONFIG + more)


def swaps(plan: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [(one["kind"], one["old"], one["new"]) for one in plan["pointers"]]


def refusals(terminal: Terminal, *arguments: str) -> list[dict[str, str]]:
    code, envelope = terminal(*arguments)
    assert code == 3, envelope
    found: list[dict[str, str]] = envelope["data"]["plan"]["refused"]
    return found


def test_a_models_alias_goes_back_to_the_version_trained_from_clean_data(terminal: Terminal) -> None:
    models(terminal, "s3://lake/models/PRODUCTION")
    before = terminal.lake.contents()
    plan = terminal.ok("revert")["plan"]
    assert swaps(plan) == [("text", "7\n", "6\n")]
    terminal.ok("revert", "--apply", plan["id"])
    assert terminal.lake.contents() == {**before, "models/PRODUCTION": "6\n"}
    checks = {one["name"]: one["status"] for one in terminal("verify")[1]["data"]["checks"]}
    assert checks["no pointer serves what is tainted"] == "ok"
    assert checks["nothing is tainted"] == "fail"


def test_before_the_swap_verify_names_the_pointer(terminal: Terminal) -> None:
    models(terminal, "s3://lake/models/PRODUCTION")
    checks = {one["name"]: one for one in terminal("verify")[1]["data"]["checks"]}
    found = checks["no pointer serves what is tainted"]
    assert found["status"] == "fail"
    assert "s3://lake/models/PRODUCTION holds 7, which is tainted: s3://lake/models/churn@v=7" in found["detail"]


def test_a_purge_says_whether_readers_will_miss_it(terminal: Terminal) -> None:
    models(terminal, "s3://lake/models/PRODUCTION")
    include = ("--include", "s3://lake/models/churn@v=7")
    assert any("still names" in one for one in terminal.ok("purge", *include)["plan"]["warnings"])
    terminal.plan_and_apply("revert")
    assert not any("readers" in one for one in terminal.ok("purge", *include)["plan"]["warnings"])


def test_a_local_alias_has_no_past_and_the_operator_names_the_value(terminal: Terminal) -> None:
    path = terminal.lake.folder / "PRODUCTION"
    models(terminal, f"file://{path}")
    (refused,) = refusals(terminal, "revert")
    assert refused["code"] == "no-good-value"
    assert "clean by lineage: 6" in refused["why"]
    (refused,) = refusals(terminal, "revert", "--pointer", f"file://{path}=5")
    assert refused["code"] == "no-target"
    plan = terminal.ok("revert", "--pointer", f"file://{path}=6")["plan"]
    terminal.ok("revert", "--apply", plan["id"])
    assert path.read_text() == "6\n"
    undone = terminal.ok("undo", plan["id"])["plan"]
    terminal.ok("undo", "--apply", undone["id"])
    assert path.read_text() == "7\n"


def test_a_glue_tables_location_goes_back(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = FakeCatalog(now=1)
    monkeypatch.setattr(glue, "_catalog", lambda *_: catalog)
    configure(terminal, (MODELS % "glue://shop/features").replace('target = "s3://lake/models/churn/v={value}/"\n', ""))
    for version, code in (("6", "v1"), ("7", "v1-bad")):
        train(terminal, version, code)
        catalog.now = terminal.lake.tick() // 1_000_000_000 + 1
        catalog.put("shop", table(f"s3a://lake/models/churn/v={version}"))
        terminal.lake.tick()
        terminal.lake.tick()
    terminal.ok("declare", "bad model", "--job", "shop/train", "--code-version", "v1-bad")
    plan = terminal.ok("revert")["plan"]
    assert swaps(plan) == [("glue", "s3a://lake/models/churn/v=7", "s3a://lake/models/churn/v=6")]
    terminal.ok("revert", "--apply", plan["id"])
    assert catalog.table("shop", "features")["StorageDescriptor"]["Location"] == "s3a://lake/models/churn/v=6"
    undone = terminal.ok("undo", plan["id"])["plan"]
    terminal.ok("undo", "--apply", undone["id"])
    assert catalog.table("shop", "features")["StorageDescriptor"]["Location"] == "s3a://lake/models/churn/v=7"


def test_a_models_alias_in_mlflow_goes_to_the_version_that_is_named(terminal: Terminal) -> None:
    with registry() as models_there:
        url = f"mlflow+{models_there.address}/{models_there.model}@champion"
        configure(terminal, (MODELS % url).replace('target = "s3://lake/models/churn/v={value}/"\n', ""))
        for number, (version, code) in enumerate((("6", "v1"), ("7", "v1-bad")), start=1):
            train(terminal, version, code)
            models_there.create(f"s3://lake/models/churn/v={version}")
            models_there.point("champion", str(number))
        terminal.ok("declare", "bad model", "--job", "shop/train", "--code-version", "v1-bad")
        (refused,) = refusals(terminal, "revert")
        assert (refused["code"], "clean by lineage: 1)" in refused["why"]) == ("no-good-value", True)
        named = ("--pointer", f"{url}=1")
        assert [one["code"] for one in refusals(terminal, "revert", *named)] == ["unconditional"]
        assert [one["code"] for one in refusals(terminal, "revert", "--pointer", f"{url}=9")] == ["no-target"]
        plan = terminal.ok("revert", *named, "--writers-stopped")["plan"]
        assert swaps(plan) == [("mlflow", "2", "1")]
        terminal.ok("revert", "--apply", plan["id"])
        assert open_alias(url).now().value == "1"
        undone = terminal.ok("undo", plan["id"])["plan"]
        terminal.ok("undo", "--apply", undone["id"])
        assert open_alias(url).now().value == "2"
        checks = {one["name"]: one for one in terminal("doctor")[1]["data"]["checks"]}
        assert checks[f"pointer {url}"]["status"] == "warn"
        models_there.model = "nothing"
    exit_code, envelope = terminal("doctor")
    if not os.environ.get("MLFLOW_TEST_SERVER"):
        assert exit_code == 1
        assert "no usable answer" in str(envelope["problems"])


def test_a_symlink_manifest_goes_back_to_the_files_of_before(terminal: Terminal) -> None:
    manifest = "serving/board/_symlink_format_manifest/manifest"
    configure(terminal, f'[[serving]]\nname = "Athena"\ndataset = "{BOARD}"\npointer = "s3://lake/{manifest}"\n')
    store, lake = terminal.lake.store, terminal.lake
    store.put("lake", "serving/board/files/a", b"1")
    store.put("lake", manifest, b"s3a://lake/serving/board/files/a\n")
    lake.make("shop/board", "*", "v1-bad", "bad", "2026-11-19")
    store.put("lake", "serving/board/files/b", b"2")
    store.put("lake", manifest, b"s3a://lake/serving/board/files/b\n")
    terminal.ok("declare", "bad board", "--job", "shop/board", "--code-version", "v1-bad")
    plan = terminal.ok("revert")["plan"]
    assert swaps(plan) == [("symlink", "s3a://lake/serving/board/files/b\n", "s3a://lake/serving/board/files/a\n")]
    terminal.ok("revert", "--apply", plan["id"])
    assert lake.contents()[manifest] == "s3a://lake/serving/board/files/a\n"


def test_a_completion_marker_hides_a_partition_that_was_not_there_before(terminal: Terminal) -> None:
    marker = "s3://lake/daily/totals/{partition}/_SUCCESS"
    configure(terminal, f'[[serving]]\nname = "reports"\ndataset = "s3://lake/daily/totals"\npointer = "{marker}"\n')
    terminal.lake.make("shop/totals", "dt=2026-11-19", "v1-bad", "bad")
    terminal.lake.store.put("lake", "daily/totals/dt=2026-11-19/_SUCCESS", b"")
    terminal.ok("declare", "bad totals", "--job", "shop/totals", "--code-version", "v1-bad")
    plan = terminal.ok("revert", "--skip-refused")["plan"]
    assert ("success", "", None) in swaps(plan)
    terminal.ok("revert", "--apply", plan["id"])
    assert "daily/totals/dt=2026-11-19/_SUCCESS" not in terminal.lake.contents()
    assert "daily/totals/dt=2026-11-19/part-0.txt" in terminal.lake.contents()
    undone = terminal.ok("undo", plan["id"])["plan"]
    terminal.ok("undo", "--apply", undone["id"])
    assert terminal.lake.contents()["daily/totals/dt=2026-11-19/_SUCCESS"] == ""


def test_who_serves_without_a_pointer_is_named(terminal: Terminal) -> None:
    configure(terminal, f'[[serving]]\nname = "dashboard"\ndataset = "{BOARD}"\nowners = ["team-web"]\n')
    terminal.ok("declare", "orders in cents", "--job", "shop/orders", "--nominal", "2026-11-17")
    warnings = terminal.ok("revert")["plan"]["warnings"]
    assert any(one.startswith(f"dashboard serves {BOARD}@* (team-web) and has no pointer") for one in warnings)


def test_doctor_reads_each_pointer(terminal: Terminal) -> None:
    models(terminal, "s3://lake/models/PRODUCTION")
    checks = {one["name"]: one for one in terminal("doctor")[1]["data"]["checks"]}
    assert checks["pointer s3://lake/models/PRODUCTION"]["detail"] == "text, holds 7"
    terminal.lake.store.delete("lake", "models/PRODUCTION")
    checks = {one["name"]: one for one in terminal("doctor")[1]["data"]["checks"]}
    assert checks["pointer s3://lake/models/PRODUCTION"]["status"] == "warn"


def test_a_plan_is_stale_when_the_registry_names_another_pointer(terminal: Terminal) -> None:
    models(terminal, "s3://lake/models/PRODUCTION")
    plan = terminal.ok("revert")["plan"]
    configure(terminal, MODELS % "s3://lake/models/STAGING")
    code, envelope = terminal("revert", "--apply", plan["id"])
    assert (code, envelope["problems"][0]["code"]) == (5, "stale")
    assert terminal.lake.contents()["models/PRODUCTION"] == "7\n"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('name = "x"\n', "one of dataset and model"),
        ('name = "x"\ndataset = "a"\nmodel = "b"\n', "one of dataset and model"),
        ('dataset = "a"\n', "name: is missing"),
        ('name = "x"\ndataset = "a"\npointer = "lake/x"\n', "neither s3://"),
        ('name = "x"\ndataset = "a"\npointer = "s3://b/k"\nkind = "json"\n', "names no field"),
        ('name = "x"\ndataset = "a"\npointer = "s3://b/k"\nkind = "glue"\n', "does not go with"),
        ('name = "x"\ndataset = "a"\npointer = "s3://b/k"\ntarget = "s3://b/"\n', "no place with a {value}"),
        ('name = "x"\ndataset = "a"\ntarget = "s3://b/{value}/"\n', "pointer: is missing"),
        ('name = "x"\ndataset = "a"\npointer = "s3://b/k"\ntarget = "s3://b/{partition}/{value}/"\n', "the pointer is one for all"),
        ('name = "x"\ndataset = "a"\nkinds = "json"\n', "not a known key"),
    ],
)
def test_entries_that_make_no_sense_are_refused_with_their_line(terminal: Terminal, entry: str, message: str) -> None:
    configure(terminal, f"[[serving]]\n{entry}")
    code, envelope = terminal("blast", "--job", "shop/orders")
    assert code == 2
    assert message in envelope["problems"][0]["message"]


def test_what_was_swapped_is_told_and_counts_as_no_object(terminal: Terminal) -> None:
    models(terminal, "s3://lake/models/PRODUCTION")
    applied = terminal.plan_and_apply("revert")
    assert (applied["objects"], applied["bytes"], applied["pointers"]) == (0, 0, 1)
    (plan,) = terminal.ok("status")["plans"]
    assert (plan["objects"], plan["pointers"], plan["touched"]) == (0, 1, "1 pointer")
    told = [one["text"] for one in terminal.ok("timeline")["events"] if one["kind"] == "applied"]
    assert "s3://lake/models/PRODUCTION: 7 → 6" in told[0]
    terminal.ok("export", "--format", "md", "-o", str(terminal.lake.folder / "post.md"))
    assert "0 objects, 0 B, 1 pointer" in (terminal.lake.folder / "post.md").read_text()


@pytest.mark.parametrize("step", ["swap", "verify"])
def test_a_resume_finds_a_swap_that_was_cut_off(terminal: Terminal, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models(terminal, "s3://lake/models/PRODUCTION")
    plan = terminal.ok("revert")["plan"]["id"]
    real = getattr(ObjectPointer, step)

    def cut_off(*args: Any) -> None:
        real(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ObjectPointer, step, cut_off)
        assert terminal("revert", "--apply", plan)[0] == 130
    before = terminal.lake.store.listing("lake", "models/PRODUCTION")
    assert terminal("revert")[0] == 3
    resumed = terminal.ok("resume", "--take-over")
    assert (resumed["done"], resumed["pointers"]) == (1, 1)
    assert terminal.lake.store.listing("lake", "models/PRODUCTION") == before
    undone = terminal.ok("undo", plan)["plan"]
    terminal.ok("undo", "--apply", undone["id"])
    assert terminal.lake.contents()["models/PRODUCTION"] == "7\n"


def test_a_runbook_can_be_told_the_value(terminal: Terminal) -> None:
    path = terminal.lake.folder / "PRODUCTION"
    models(terminal, f"file://{path}")
    (terminal.lake.folder / "x.yaml").write_text(BOOK)
    terminal("run", "x.yaml", "--yes", "--param", f"value=file://{path}=6")
    assert path.read_text() == "6\n"
