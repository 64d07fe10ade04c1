"""What a plan's screen tells of changes that are no objects."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from incident.plan_report import _screen
from runbooks.actions import ChangeTable
from runbooks.plan import Plan, PlannedCell, Requirement
from tests.recovery_world import cell

DAY = PlannedCell.of(cell("dt=2026-11-1"), "data", "")


@pytest.mark.parametrize(
    ("change", "target", "told"),
    [
        ("version", "41", "all of the table goes to version 41"),
        ("files", "41", "its files become those of version 41"),
        ("files", "", "its files leave the table"),
    ],
)
def test_a_table_s_change_is_told_with_the_versions_from_and_to(change: str, target: str, told: str) -> None:
    action = ChangeTable("delta:orders", "u", change, Requirement("42", "f"), target, "", 0, str(DAY))  # type: ignore[arg-type]
    plan = Plan("INC-1", "revert", "r1", (action,), (DAY,))
    out = io.StringIO()
    Console(file=out, width=200).print(_screen(plan, "incident revert --apply it", ()))
    assert f"{DAY} (at version 42): {told}" in out.getvalue()
