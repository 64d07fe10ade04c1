"""Decoding: from lines of OpenLineage to events, fast where they are as producers write them, tolerant everywhere else.

A line goes one of two ways. It fits the typed structs (``wire``): then only needed fields are decoded, and what producers
repeat (``references``) is understood once. Or it does not, or leaves the least doubt: then ``lineage.events`` reads it, which
reads anything. Both give the same event; the tests hold every line of the recorded corpora, and thousands of broken ones, to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineage.decoding.rows import Lines


def decoder() -> Lines:
    """A decoder of lines with a memory of its own."""
    from lineage.decoding.rows import Lines

    return Lines()
