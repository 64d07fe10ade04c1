"""A consent that means nothing to a command is refused: who gives it believes in an effect that it has not."""

from __future__ import annotations

import json

import pytest

from incident.cli.main import run
from incident.plan_options import PlanOptions
from incident.report import Report


@pytest.mark.parametrize(
    "arguments",
    [
        ("purge", "--before", "2026-11-01"),
        ("backfill", "--before", "2026-11-01"),
        ("backfill", "--max-objects", "1"),
        ("backfill", "--max-bytes", "1"),
        ("backfill", "--writers-stopped"),
        ("undo", "purge-1", "--before", "2026-11-01"),
        ("undo", "purge-1", "--max-objects", "1"),
    ],
)
def test_an_option_without_a_meaning_is_refused_by_name(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*arguments, "--json"])
    envelope = json.loads(capsys.readouterr().out)
    refused = [one for one in arguments if one.startswith("--") and one != "--apply"][-1]
    assert (code, envelope["problems"][0]["code"], envelope["command"]) == (2, "usage", arguments[0])
    assert refused in envelope["problems"][0]["message"]


@pytest.mark.parametrize("options", [PlanOptions("purge-1", skip_refused=True), PlanOptions("purge-1", max_objects=0)])
def test_a_consent_beside_apply_changes_nothing_and_is_told(options: PlanOptions) -> None:
    (told,) = options.told(Report()).problems
    assert (told.code, "changed nothing" in told.message) == ("no-effect", True)


def test_apply_alone_and_consents_alone_are_not_commented() -> None:
    assert not PlanOptions("purge-1").told(Report()).problems
    assert not PlanOptions(skip_refused=True, include=("lake/orders@*",)).told(Report()).problems
