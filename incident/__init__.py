"""Doing it and remembering it: every effect, every record of one, and the command line.

Glossary:

Home
    Where incidents live: one folder an incident, with its timeline, radius revisions, plans and journals.
Timeline
    The hash-chained, immutable events of an incident; the incident's state is read from it.
Journal
    For each applied plan: intent before, outcome after, chunk by chunk, durable before the effect.
Outcome
    done, failed, drifted (the world moved, we did nothing) or unknown (looked at by ``resume``, never assumed).
Effect
    What a journal says we did to a cell; lineage reads it as a write.
"""

__version__ = "0.1.0"
