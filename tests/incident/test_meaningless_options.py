"""A consent that means nothing to a command is refused: who gives it believes in an effect that it has not."""

from __future__ import annotations

import json

import pytest

from incident.cli.main import run


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
        ("undo", "purge-1", "--writers-stopped"),
        ("purge", "--apply", "purge-1", "--include", "lake/orders@*"),
        ("purge", "--apply", "purge-1", "--max-objects", "0"),
        ("revert", "--apply", "revert-1", "--before", "2026-11-01"),
        ("backfill", "--apply", "backfill-1", "--skip-refused"),
        ("undo", "--apply", "undo-1", "--skip-refused"),
    ],
)
def test_an_option_without_a_meaning_is_refused_by_name(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*arguments, "--json"])
    envelope = json.loads(capsys.readouterr().out)
    refused = [one for one in arguments if one.startswith("--") and one != "--apply"][-1]
    assert (code, envelope["problems"][0]["code"], envelope["command"]) == (2, "usage", arguments[0])
    assert refused in envelope["problems"][0]["message"]
