"""Runs a server module in this process and ends with its parent: ``python -m incident.demo.guard MODULE [ARGUMENT ...]``.

The parent holds the other end of our standard input. However it dies, even by SIGKILL, the pipe closes and the server stops,
so that no orphan keeps the port. Works wherever there are pipes, unlike Linux's parent-death signal.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE = 5.0
"""Seconds that the server has for an orderly end (it writes its state then) before it is cut off."""


def main() -> None:
    module, arguments = sys.argv[1], sys.argv[2:]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
