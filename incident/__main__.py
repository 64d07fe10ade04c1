"""The console script, and ``python -m incident``: imports nothing before it can answer Ctrl-C."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; an interrupt while it is still loading is an interrupt like any other.

    A process so short needs no looking for garbage at every turn, least of all while it loads; histories hold millions of objects.
    """
    gc.set_threshold(500_000, 50, 1000)
    try:
        from incident.cli.main import main as program

        program()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
