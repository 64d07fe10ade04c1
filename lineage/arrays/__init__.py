"""Taint over columns: the rules of ``lineage.sweep`` and ``lineage.taint`` for very many attempts at once, with numpy.

It gives the answers of those modules, which stay the definition; tests hold both to each other and to the oracle. What it does not
cover (``NotPlain``) is left to them: partitions of one dataset that overlap without being equal (but for ``*``), named versions,
views, and what an undo brought back.

Glossary:

Facts
    Attempts, and their reads and writes (each a side), as columns.
Place
    A dataset and one partition of it, by number. Two places of a dataset share nothing, unless one is wild.
Wild
    ``*`` of a dataset that has partitions: it overlaps all of them.
Rank
    Times by their order, so that a place and a time are one integer to search for.
"""
