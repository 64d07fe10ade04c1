"""What should be done: pure decisions. No input or output, no clock, no randomness; a plan is a value.

Glossary:

Survey
    What the storage held when it was looked at: keys with their versions, newest first.
Target
    Where a cell lies in storage: a bucket and a prefix that ends at a ``/``.
Action
    One change to one object, or one run of one job, with what must still be true (its requirement) and its inverse.
Plan
    The ordered actions of one phase, what was refused and why, named by the hash of what it will do.
Phase
    contain, revert, purge, backfill or undo.
Consent
    What an operator said explicitly: a cell by name, a higher cap, "skip what was refused".
Runbook, gate
    The steps of an incident as a file; a gate is the question that must be answered before a step runs.
"""
