"""Who must know, and what the message to each team says."""

from __future__ import annotations

import re
from typing import Any

from lineage.audience import NOBODY, Team, audience
from lineage.cadence import next_readers
from lineage.declarations import DatasetRule, Declarations
from lineage.history import History
from lineage.timestamps import parse
from tests.lineage.openlineage import JSON, dataset, history, radius, ran

NOW = parse("2026-11-20T12:00:00Z")
DAYS = ("2026-11-15", "2026-11-16", "2026-11-17")


def owned(name: str) -> JSON:
    return {"ownership": {"owners": [{"name": name}]}}


def lake(declared: Declarations | None = None) -> History:
    """Three bad days of ``orders``; a board and a table made from them; a job that only looks."""
    events: list[JSON] = []
    for number, day in enumerate(DAYS):
        events += ran(
            f"0{number}:00",
            f"0{number}:10",
            f"o{number}",
            "orders",
            writes=[dataset("orders", f"dt={day}", **owned("team-orders"))],
        )
        table = ran(
            f"0{number}:20",
            f"0{number}:30",
            f"t{number}",
            "table",
            reads=[dataset("orders", f"dt={day}")],
            writes=[dataset("table", f"dt={day}")],
        )
        for one in table:
            one["job"]["facets"] = owned("team-table")
        events += table
        events += ran(f"0{number}:40", f"0{number}:50", f"b{number}", "board", reads=["table"], writes=["board"])
    events += ran("00:00", "00:01", "look", "look", reads=["table"])
    rules = declared or Declarations(
        datasets=(DatasetRule("s3://lake/board", partition=False, serving=True, write="overwrite", owners=("team-board",)),)
    )
    return history(events, declared=rules)


def teams(known: History, title: str = "", **fault: Any) -> dict[str, Team]:
    found = radius(known, None, **(fault or {"job": "orders"}))
    return {one.name: one for one in audience(found, next_readers(known, found, NOW), title)}


def test_owners_are_the_declared_ones_else_the_datasets_else_the_writing_jobs() -> None:
    assert {name: [one.name for one in team.datasets] for name, team in teams(lake()).items()} == {
        "team-board": ["board"],
        "team-orders": ["orders"],
        "team-table": ["table"],
    }
    declared = Declarations(datasets=(DatasetRule("s3://lake/*", owners=("team-lake",)),))
    assert set(teams(lake(declared))) == {"team-lake"}


def test_who_serves_people_is_told_first_and_what_nobody_owns_is_not_left_out() -> None:
    found = teams(lake(Declarations(datasets=(DatasetRule("s3://lake/table", serving=True),))))
    assert list(found) == ["team-table", "team-orders", NOBODY]
    assert "No owner is known" in found[NOBODY].draft
    assert "s3://lake/board" in found[NOBODY].draft


def test_the_draft_says_what_to_stop_using_since_when() -> None:
    found = teams(lake(), "orders in cents")
    assert found["team-orders"].draft == (
        "Subject: orders in cents: please do not use s3://lake/orders for now\n"
        "\n"
        "To team-orders:\n"
        "\n"
        "Some data of your datasets is not right. What began it: attempts of test/orders: 3 matched.\n"
        "\n"
        "Please stop using this:\n"
        "- s3://lake/orders: dt=2026-11-15 … dt=2026-11-17 (3), bad since 2026-11-18 00:00:00 UTC\n"
        "\n"
        "These jobs will read it when they run next:\n"
        "- test/table: about every 60 min, next about 2026-11-20 12:20 UTC\n"
        "\n"
        "Nothing needs to be repaired on your side now. We will write again when it is right.\n"
    )


def test_serving_data_comes_first_and_doubt_is_said_with_its_reason() -> None:
    draft = teams(lake(Declarations(datasets=(DatasetRule("*", owners=("team",)), DatasetRule("s3://lake/table", serving=True)))))[
        "team"
    ].draft
    assert draft.index("People or services read it:\n- s3://lake/table") < draft.index(
        "Please stop using this:\n- s3://lake/orders"
    )
    assert "This may be bad too, and we cannot tell yet" in draft
    assert re.search(r"- s3://lake/board: which partitions is not known, perhaps bad since .* \(.*\)", draft)


def test_jobs_that_will_read_it_are_named_with_when() -> None:
    draft = teams(lake())["team-table"].draft
    assert "These jobs will read it when they run next:" in draft
    assert "- test/look: no cadence is known" in draft


def test_what_is_right_again_is_told_with_how_long_it_was_not() -> None:
    declared = Declarations(datasets=(DatasetRule("*", write="overwrite", owners=("team",)),))
    known = history(
        ran("01", "02", "bad", writes=[dataset("x", "dt=2026-11-18")]),
        ran("03", "04", "good", writes=[dataset("x", "dt=2026-11-18")]),
        declared=declared,
    )
    draft = teams(known, runs=("bad",))["team"].draft
    assert draft.startswith("Subject: Data that was bad is right again\n")
    assert "Some data of your datasets was not right." in draft
    assert "- s3://lake/x: dt=2026-11-18, bad from 2026-11-18 01:00:00 UTC until 2026-11-18 04:00:00 UTC\n" in draft


def test_drafts_blame_nobody() -> None:
    words = re.compile(
        r"\b(fault of|failed to|should have|mistake|careless|wrongly|root cause|human error|because you|broke)\b", re.IGNORECASE
    )
    for team in teams(lake(), "orders in cents").values():
        assert not words.search(team.draft)


def test_no_path_is_cut() -> None:
    long = "s3://lake/" + "/".join(f"folder{number}" for number in range(60))
    known = history(ran("01", "02", "bad", writes=[dataset(long.removeprefix("s3://lake/"), "dt=2026-11-18")]))
    assert long in teams(known, runs=("bad",))[NOBODY].draft
