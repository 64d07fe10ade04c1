"""Pointers: the small things that say which version serves, each kind behind one protocol (``port``).

**Pointer**: one of them, named by its URL. **Kind**: how its value is read and written; one file and one row in ``kinds`` each.
**Value**: which version serves, as the kind writes it. **Target**: where the data lies that a value names. **Serving entry**: who
serves what through which pointer; the registry of all is in ``serving``.
"""
