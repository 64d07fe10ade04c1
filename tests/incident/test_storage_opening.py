"""Which store reaches a place, and what is refused when none does."""

from __future__ import annotations

import pytest

from incident.config import Config, StorageRule
from incident.errors import UsageError
from incident.storage import open_reader, open_store
from incident.storage.port import ObjectReader
from incident.surveys import Surveyor
from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from runbooks.plan import Refusal
from tests.recovery_world import cell

CONFIG = Config(storages=(StorageRule("s3://lake/clean", "lake", "clean/", endpoint="http://127.0.0.1:9"),))


def test_a_place_that_no_entry_covers_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="s3://lake/raw/"):
        open_store(CONFIG, "lake", "raw/")
    with pytest.raises(UsageError) as caught:
        open_reader(CONFIG, "other", "clean/")
    assert "[[storage]]" in caught.value.hint


def test_entries_that_reach_the_same_server_share_one_store() -> None:
    assert open_store(CONFIG, "lake", "clean/a/") is open_reader(CONFIG, "lake", "clean/b/")


def test_a_cell_without_a_storage_entry_is_refused_in_the_plan_and_the_rest_goes_on() -> None:
    rules = Declarations(datasets=(DatasetRule("*", partition=Layout("dt={dt}"), location="s3://elsewhere/x"),))

    def readers(bucket: str, prefix: str) -> ObjectReader:
        return open_reader(CONFIG, bucket, prefix)

    one = cell("dt=a")
    found = Surveyor(readers, rules).survey([one], lambda: None)[one]
    assert isinstance(found, Refusal)
    assert found.code == "no-mapping"
    assert "s3://elsewhere/x/dt=a/" in found.why
