"""Where the quarantine is: never in a dataset, never in what is planned, reached as the data is; and files that cannot go there."""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from incident.checks import checks
from incident.config import Config
from incident.config_rules import Policy, StorageRule
from incident.context import Context
from incident.quarantine import keeping, trouble
from incident.storage.local import LocalReader, Unfit
from incident.storage.local_moves import folder
from incident.surveys import places
from lineage.attempts import Cell
from lineage.datasets import DatasetId, normalise
from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from lineage.partitions import parse_partition
from runbooks.consents import Consents
from runbooks.facts import Keeping, Place
from runbooks.guarantees import EVERYTHING, Guarantees
from runbooks.plan import Refusal
from runbooks.purge import plan_purge
from runbooks.survey import LOCAL, BucketState, Expiry, Target
from tests.aside_world import DAY, AsideWorld

RULES = Declarations(datasets=(DatasetRule("*", partition=Layout("dt={dt}")),))


def local(folder_of: Path, quarantine: str | None = None, *more: Place) -> Keeping | Refusal:
    """The keeping of a day of ``orders`` below a folder."""
    dataset = normalise("file", f"{folder_of}/lake/orders")
    (folder_of / "lake" / "orders" / DAY).mkdir(parents=True, exist_ok=True)
    cell = Cell(dataset, parse_partition(DAY), known=True)
    target = Target(LOCAL, f"{folder_of}/lake/orders/{DAY}/".lstrip("/"))
    places = (Place("the dataset orders", LOCAL, f"{folder_of}/lake/orders/".lstrip("/"), dataset), *more)
    return keeping(
        Config(declarations=RULES, policy=Policy(quarantine=quarantine)), cell, target, BucketState(LOCAL, "Off"), places
    )


def test_files_go_beside_their_dataset(tmp_path: Path) -> None:
    assert local(tmp_path) == Keeping(f"file://{tmp_path}/lake/.incident-quarantine/")
    assert local(tmp_path, "s3://vault/incident/") == Keeping(f"file://{tmp_path}/lake/.incident-quarantine/")


def test_never_into_another_dataset(tmp_path: Path) -> None:
    whole = Place("the dataset lake", LOCAL, f"{tmp_path}/lake/".lstrip("/"), DatasetId("file", f"{tmp_path}/lake"))
    assert local(tmp_path, None, whole) == Keeping(f"file://{tmp_path}/.incident-quarantine/")
    found = local(tmp_path, f"file://{tmp_path}/lake/kept", whole)
    assert isinstance(found, Refusal)
    assert found.code == "no-quarantine"


@pytest.mark.parametrize("below", [f"orders/{DAY}/kept", "orders", f"orders/{DAY}"])
def test_never_around_or_within_what_is_planned(tmp_path: Path, below: str) -> None:
    found = local(tmp_path, f"file://{tmp_path}/lake/{below}")
    assert isinstance(found, Refusal)
    assert found.code in {"keep-out", "no-quarantine"}


def test_a_quarantine_that_is_set_is_used_as_it_really_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert local(tmp_path, f"file://{tmp_path}/link/kept%20here") == Keeping(f"file://{tmp_path}/real/kept here/")


def test_another_file_system_needs_a_word(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev or not os.access(other, os.W_OK):
        pytest.skip("there is only one file system here")
    found = local(tmp_path, f"file://{other}/incident-{os.getpid()}/")
    assert isinstance(found, Keeping)
    assert not found.exact
    assert "another file system" in found.why


def s3(quarantine: str | None, *more: Place, state: BucketState | None = None) -> Keeping | Refusal:
    cell = Cell(DatasetId("s3://lake", "orders"), parse_partition(DAY), known=True)
    storages = (
        StorageRule("s3://lake", "lake", endpoint="http://127.0.0.1:9"),
        StorageRule("s3://other", "other", endpoint="http://127.0.0.1:10"),
    )
    config = Config(declarations=RULES, policy=Policy(quarantine=quarantine), storages=storages)
    return keeping(config, cell, Target("lake", f"orders/{DAY}/"), state or BucketState("lake", "Off"), more)


@pytest.mark.parametrize(
    ("quarantine", "more", "code", "said"),
    [
        (None, (), "no-quarantine", "[policy] quarantine"),
        ("file:///kept/", (), "no-quarantine", "[policy] quarantine"),
        (f"s3://lake/orders/{DAY}/kept", (), "keep-out", "lie in each other"),
        (
            "s3://lake/orders/kept",
            (Place("the dataset orders", "lake", "orders/", DatasetId("s3://lake", "orders")),),
            "no-quarantine",
            "orders",
        ),
        ("s3://elsewhere/kept/", (), "no-quarantine", "[[storage]]"),
    ],
)
def test_objects_go_nowhere_without_a_place_of_their_own(
    quarantine: str | None, more: tuple[Place, ...], code: str, said: str
) -> None:
    found = s3(quarantine, *more)
    assert isinstance(found, Refusal)
    assert found.code == code
    assert said in found.why


@pytest.mark.parametrize(
    ("state", "exact", "absent"),
    [
        (BucketState("lake", "Off"), False, False),
        (BucketState("lake", "Off", guarantees=EVERYTHING), True, True),
        (BucketState("lake", "Off", guarantees=Guarantees(("conditional-delete",))), True, False),
        (BucketState("lake", "Suspended", guarantees=Guarantees(("put-if-absent",))), False, True),
        (BucketState("lake", "Enabled"), True, False),
    ],
)
def test_what_can_be_relied_upon_is_what_the_bucket_was_seen_to_honour(
    monkeypatch: pytest.MonkeyPatch, state: BucketState, exact: bool, absent: bool
) -> None:
    class Store:
        def state(self, bucket: str) -> BucketState:
            return BucketState(bucket, "Off")

    store = Store()
    monkeypatch.setattr("incident.quarantine.open_store", lambda *_: store)
    monkeypatch.setattr("incident.quarantine.open_reader", lambda *_: store)
    found = s3("s3://vault/incident/", state=state)
    assert isinstance(found, Keeping)
    assert (found.to, found.exact, found.absent) == ("s3://vault/incident/", exact, absent)
    assert bool(found.why) == (not (exact and absent))


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (BucketState("vault", "Off"), ""),
        (BucketState("vault", "Off", expirations=(Expiry("", 7),)), "7 days"),
        (BucketState("vault", "Off", expirations=(Expiry("incident/x/", 7),)), "7 days"),
        (BucketState("vault", "Off", expirations=(Expiry("other/", 7), Expiry("incident/", 30))), ""),
        (BucketState("vault", "Off", lifecycle_known=False), "may not be read"),
    ],
)
def test_a_quarantine_that_is_cleaned_up_by_a_rule_is_a_question(
    monkeypatch: pytest.MonkeyPatch, there: BucketState, said: str
) -> None:
    class Store:
        def state(self, _bucket: str) -> BucketState:
            return there

    store = Store()
    monkeypatch.setattr("incident.quarantine.open_store", lambda *_: store)
    monkeypatch.setattr("incident.quarantine.open_reader", lambda *_: store)
    found = s3("s3://vault/incident/", state=BucketState("lake", "Off", guarantees=EVERYTHING))
    assert isinstance(found, Keeping)
    assert said in found.expires
    assert bool(said) == bool(found.expires)


def test_doctor_says_what_is_wrong_with_the_quarantine_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        def state(self, bucket: str) -> BucketState:
            return BucketState(bucket, "Off", expirations=(Expiry("", 7),))

    monkeypatch.setattr("incident.quarantine.open_reader", lambda *_: Store())
    config = Config()
    assert trouble(config, f"file://{tmp_path}/kept/") == ""
    assert "7 days" in trouble(config, "s3://vault/incident/")
    assert "prefix" in trouble(config, "s3://vault/")
    found = {check.name: check.status for check in checks(Context(config_path=str(_config(tmp_path))))}
    assert found["quarantine"] == "ok"


@pytest.mark.parametrize("inside", ["home", "lineage"])
def test_what_holds_the_incident_or_its_lineage_is_not_planned(tmp_path: Path, inside: str) -> None:
    """Also where they are reached through a link."""
    world = AsideWorld(tmp_path, kind="local")
    world.lay({"a": b"one"})
    (tmp_path / "link").symlink_to(world.path("").parent)
    path = tmp_path / "incident.toml"
    home = f"{tmp_path}/link/{DAY}/home" if inside == "home" else f"{tmp_path}/home"
    path.write_text(f'[home]\nurl = "{home}"\n')
    sources = (f"{tmp_path}/link/{DAY}/events/*.ndjson",) if inside == "lineage" else ()
    found = places(Context(config_path=str(path)), [], sources)
    assert [refusal.code for refusal in plan_purge(replace(world.facts(), places=found), Consents()).refused] == ["keep-out"]


def _config(folder_of: Path) -> Path:
    path = folder_of / "incident.toml"
    path.write_text(f'[policy]\nquarantine = "file://{folder_of}/kept/"\n[home]\nurl = "{folder_of}/home"\n')
    return path


# --- files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "socket", "pipe"])
def test_what_is_no_plain_file_is_refused_by_name(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = AsideWorld(tmp_path, kind="local")
    world.lay({"a": b"one"})
    odd = world.path("odd")
    match kind:
        case "link":
            odd.symlink_to(world.path("a"))
        case "pipe":
            os.mkfifo(odd)
        case _:
            monkeypatch.chdir(odd.parent)  # the name of a socket must be short
            with socket.socket(socket.AF_UNIX) as made:
                made.bind("odd")
    (refused,) = world.purge(world.reached, consents=Consents(include=(str(world.cell),))).refused
    assert refused.code == "unfit"
    assert str(odd) in refused.why


def test_a_folder_behind_a_link_is_refused_with_its_real_place(tmp_path: Path) -> None:
    world = AsideWorld(tmp_path, kind="local")
    (tmp_path / "lake" / "orders").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(b"precious")
    world.path("").parent.joinpath(DAY).symlink_to(tmp_path / "elsewhere")
    (refused,) = world.purge(world.reached).refused
    assert refused.code == "unfit"
    assert f"{tmp_path}/elsewhere" in refused.why


def test_a_link_that_appears_after_the_plan_is_not_followed(tmp_path: Path) -> None:
    world = AsideWorld(tmp_path, kind="local")
    world.lay({"a": b"one"})
    plan = world.purge(world.reached)
    day = world.path("a").parent
    day.rename(tmp_path / "elsewhere")
    day.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unfit):  # from the last look at the cell
        world.apply(plan)
    with pytest.raises(Unfit), folder(f"{day}".lstrip("/")):
        raise AssertionError
    assert (tmp_path / "elsewhere" / "a").read_bytes() == b"one"


def test_files_are_listed_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    names = ["a", "a.b", "a/c", "ab", "Z", "é", "a-", "b/_SUCCESS"]
    world = AsideWorld(tmp_path, kind="local")
    names.remove("a")
    for name in names:
        world.put(name, name.encode())
    bucket, prefix = world.place
    found = [history.key.removeprefix(prefix) for history in LocalReader().histories(bucket, prefix)]
    assert found == sorted(names, key=str.encode)


class Far(AsideWorld):
    """Its quarantine is on another file system."""

    @property
    def keeping(self) -> Keeping:
        return Keeping(f"file:///dev/shm/incident-{os.getpid()}/", exact=False, why="it is on another file system")


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is only one file system here")
def test_across_file_systems_a_file_is_copied_and_compared_before_it_goes(tmp_path: Path) -> None:
    world = Far(tmp_path, kind="local")
    before = {"a": b"one", "deep/b": b"two"}
    world.lay(before)
    kept = Path(world.keeping.to.removeprefix("file://"))
    try:
        assert [refusal.code for refusal in world.purge(world.reached).refused] == ["no-conditional-delete"]
        plan = world.purge(world.reached, consents=Consents(writers_stopped=True))
        assert world.apply(plan).done == len(before)
        assert world.lying() == {}
        assert sorted(path.read_bytes() for path in kept.rglob("*") if path.is_file()) == [b"one", b"two"]
        assert not list(world.path("").rglob(".incident-*"))
        assert world.apply(world.undo(plan)).exit_code == 0
        assert world.lying() == before
    finally:
        shutil.rmtree(kept, ignore_errors=True)
