"""The demo notices when what a command said does not agree with the lake."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from incident.demo.agreement import affected_only, all_right, figures_agree, same_cells
from incident.demo.session import Unexpected

BEFORE: dict[str, Any] = {
    "findings": [{"dataset": "metrics/daily", "compared": 2, "wrong": ["dt=2026-11-01"]}],
    "versions": {
        "metrics/daily/dt=2026-11-01/part-0.parquet": [["bad", False]],
        "metrics/daily/dt=2026-11-10/part-0.parquet": [["good", False]],
    },
}
AFTER: dict[str, Any] = {
    "findings": [{"dataset": "metrics/daily", "compared": 2, "wrong": []}],
    "versions": {
        **BEFORE["versions"],
        "metrics/daily/dt=2026-11-01/part-0.parquet": [["again", False], ["marker", True], ["bad", False]],
    },
}
BLAST: dict[str, Any] = {"cells": [{"dataset": {"name": "metrics/daily"}, "partition": "dt=2026-11-01", "state": "TAINTED"}]}
TIMELINE: dict[str, Any] = {"events": [{"kind": "applied", "evidence": {"phase": "purge", "objects": 1}}]}
REPORT = "| Partitions reached | 1 |\n| Purged, recoverably | 1 object, 2 KiB |\n"


def test_what_agrees_is_told_in_words() -> None:
    assert "exactly those" in same_cells(BLAST, BEFORE)
    assert all_right(AFTER).startswith("all 2 partitions")
    assert affected_only(BLAST, BEFORE, AFTER).startswith("1 objects of clean partitions")
    assert "1 objects were purged" in figures_agree(TIMELINE, REPORT, 1, BEFORE, AFTER)


def test_a_radius_that_names_too_few_or_too_many_is_noticed() -> None:
    with pytest.raises(Unexpected, match="metrics/daily@dt=2026-11-01"):
        same_cells({"cells": []}, BEFORE)
    with pytest.raises(Unexpected, match="metrics/daily@dt=2026-11-01"):
        same_cells(BLAST, AFTER)


def test_a_figure_that_is_still_wrong_is_noticed() -> None:
    with pytest.raises(Unexpected, match="metrics/daily@dt=2026-11-01"):
        all_right(BEFORE)


def test_a_neighbour_whose_name_begins_alike_counts_as_outside() -> None:
    strayed = copy.deepcopy(AFTER)
    strayed["versions"]["metrics/daily/dt=2026-11-10/part-0.parquet"].insert(0, ["marker", True])
    with pytest.raises(Unexpected, match=r"dt=2026-11-10/part-0\.parquet"):
        affected_only(BLAST, BEFORE, strayed)


def test_a_version_that_is_gone_is_noticed() -> None:
    lost = copy.deepcopy(AFTER)
    lost["versions"]["metrics/daily/dt=2026-11-01/part-0.parquet"].pop()
    with pytest.raises(Unexpected, match="bad"):
        affected_only(BLAST, BEFORE, lost)


@pytest.mark.parametrize("report", ["", REPORT.replace("1 object", "2 objects"), REPORT.replace("reached | 1", "reached | 3")])
def test_a_post_mortem_that_says_otherwise_is_noticed(report: str) -> None:
    with pytest.raises(Unexpected, match="the post-mortem's row"):
        figures_agree(TIMELINE, report, 1, BEFORE, AFTER)


def test_a_timeline_that_says_otherwise_is_noticed() -> None:
    with pytest.raises(Unexpected, match="the bucket holds 1 delete markers"):
        figures_agree({"events": []}, REPORT, 1, BEFORE, AFTER)
