"""Suggestions as ``incident.toml`` to paste: every line with its evidence, guesses commented out. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Sequence
from itertools import groupby

from lineage.suggest import Learned, Suggestion, Value, glob

_WIDTH = 128


def toml(learned: Learned, covered: Collection[str] = ()) -> str:
    """The text; ``covered`` are buckets that the configuration has a storage for already."""
    lines = [
        "# Suggested by `incident lineage gaps --suggest` from what the lineage shows. Nothing here is used until you keep it in",
        "# incident.toml; lines that begin with # are guesses to decide on. Then: incident doctor",
    ]
    if learned.buckets:
        lines += ["", "# Buckets that the lineage names:"]
        lines += [
            f"#   s3://{_plain(name)} ({count:,} dataset{'' if count == 1 else 's'})" for name, count in learned.buckets.items()
        ]
        lines += [
            line
            for name in learned.buckets
            if name not in covered
            for line in (
                "",
                "# [[storage]]  # without it nothing in this bucket is ever looked at or changed",
                f"# url = {_text(f's3://{name}')}",
            )
        ]
    for (table, subject), found in groupby(learned.suggestions, key=lambda one: (one.table, one.subject)):
        lines += ["", *_table(table, subject, list(found))]
    if not learned.suggestions:
        lines += ["", "# The lineage shows nothing that is not declared already."]
    return "\n".join(lines) + "\n"


def entry(table: str, said: Sequence[tuple[str, Value | None]]) -> str:
    """One entry with the keys that have a value."""
    return "\n".join([f"[[{table}]]", *(f"{key} = {_value(value)}" for key, value in said if value is not None)])


def _table(table: str, subject: tuple[str, ...], found: list[Suggestion]) -> list[str]:
    """One entry; wholly commented out when it holds guesses only."""
    keys = ("match",) if table == "dataset" else ("job", "reads")
    sure = any(one.sure for one in found)
    head = [f"[[{table}]]", *(f"{key} = {_text(glob(name))}" for key, name in zip(keys, subject, strict=True))]
    lines = [line if sure else f"# {line}" for line in head]
    for one in found:
        lines += [
            f"# {line}" for line in textwrap.wrap(_plain(one.evidence), _WIDTH, break_long_words=False, break_on_hyphens=False)
        ]
        lines.append(f"{'' if one.sure else '# '}{one.key} = {_value(one.value)}")
    return lines


def _value(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case _:
            return f"[{', '.join(_text(one) if isinstance(one, str) else str(one) for one in value)}]"


def _text(text: str) -> str:
    """A basic string of TOML, whose escapes are JSON's, with the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(text: str) -> str:
    """Text for a comment, where control characters may not stand."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
