"""The story: one release priced orders in cents for three days, and the incident is played from there to the post-mortem.

Every step is a command line that a person would type, run as a process of its own. What it claims is then compared with the
demo's own reading of the lake.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incident.demo.agreement import affected_only, all_right, figures_agree, same_cells
from incident.demo.session import Session, Unexpected
from incident.demo.settings import BAD_FIRST, BAD_LAST, FIXED

NOMINAL = f"{BAD_FIRST}..{BAD_LAST}"
FAULT = ("--job", "enrich", "--nominal", NOMINAL)
TITLE = "orders priced in cents"
POST_MORTEM = "post-mortem.md"


@dataclass(slots=True)
class Play:
    """The play as far as it has come. ``phases``: each with ok or failed, in the order played, and told to ``announce``."""

    session: Session
    announce: Callable[[dict[str, str]], None]
    phases: list[dict[str, str]] = field(default_factory=list)
    verified: dict[str, Any] = field(default_factory=dict)
    incident: str = ""
    _before: dict[str, Any] = field(default_factory=dict)
    _blast: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, heading: str) -> Iterator[Session]:
        """One phase; it has failed when it raises."""
        self.session.heading(heading)
        entry = {"phase": name, "status": "failed"}
        self.phases.append(entry)
        try:
            yield self.session
            entry["status"] = "ok"
        finally:
            self.announce(entry)

    def all(self, runbook: str | None, params: frozenset[str] = frozenset()) -> None:
        """Play it from the first order to the post-mortem. ``params``: those that the runbook knows.

        Raises Unexpected at the first thing that is not as it should be.
        """
        self._lake()
        self._understand()
        if runbook is None:
            self._by_hand()
        else:
            self._by_runbook(runbook, params)
        self._tell()
        self._agree()

    def _lake(self) -> None:
        with self.phase("lake", "A shop's lake: 12 datasets, 4 weeks, one versioned bucket") as session:
            session.tell(
                f"Release 1.4.1 of the job `enrich` priced orders in cents from {BAD_FIRST} to {BAD_LAST}. It was rolled back;"
                "\nwhat it had written stayed, and other jobs read it. Nothing failed."
            )
            session.lake("build")
            self._before = session.audit()

    def _understand(self) -> None:
        with self.phase("declare", "What did it reach?") as session:
            session.incident("blast", *FAULT)
            self._blast = session.data("blast", *FAULT)
            told = same_cells(self._blast, self._before)
            session.tell(f"\n✓ {told}")
            session.incident("declare", TITLE, *FAULT)
            self.incident = session.data("status")["id"]
            session.incident("note", "Finance sees October revenue at a multiple of the usual", "--kind", "observation")
            session.incident("note", "The daily schedule is held until the backfill is done", "--kind", "decision")

    def _by_hand(self) -> None:
        with self.phase("revert", "Users read the last good version again"):
            self._planned("revert")
        with self.phase("fix", "The fix is deployed, and recorded") as session:
            session.lake("deploy", "enrich", FIXED)
            session.incident("fix", "prices divided by 100", "--code-version", FIXED)
        with self.phase("purge", "The faulty partitions go, recoverably"):
            self._planned("purge")
        with self.phase("backfill", "The pipeline makes them again, in order"):
            self._planned("backfill")
        with self.phase("verify", "Is everything back, and nothing tainted left?") as session:
            try:
                session.incident("verify")
            finally:  # what was left matters most when something was
                self.verified = self._last_verified()
        with self.phase("close", "Done") as session:
            session.incident("close")

    def _planned(self, verb: str) -> None:
        """Show the plan, then apply it by the id that is on the screen."""
        found = re.findall(rf"\b{verb}-[0-9a-f]{{12}}\b", self.session.incident(verb))
        if not found:
            raise Unexpected(f"`incident {verb}` printed no plan id", "incident demo --keep DIR, to look at it")
        self.session.incident(verb, "--apply", found[0])

    def _by_runbook(self, runbook: str, params: frozenset[str]) -> None:
        with self.phase("fix", "The fix is deployed") as session:
            session.lake("deploy", "enrich", FIXED)
        with self.phase("run", f"The runbook {runbook}, unattended") as session:
            answers = {"contained": "yes", "code_version": FIXED, "closed": "yes"}
            given = [text for name, value in answers.items() if name in params for text in ("--param", f"{name}={value}")]
            session.incident("run", runbook, "--no-input", "--yes", *given)
            self.verified = self._last_verified()

    def _last_verified(self) -> dict[str, Any]:
        """What the last verify found, from the timeline: asking again would be recorded again."""
        events = self.session.data("--incident", self.incident, "timeline")["events"]
        return next((one["evidence"] for one in reversed(events) if one["kind"] == "verified"), {})

    def _tell(self) -> None:
        with self.phase("export", "The post-mortem is already written") as session:
            session.incident("--incident", self.incident, "timeline")
            session.incident("--incident", self.incident, "export", "--format", "md", "-o", POST_MORTEM)

    def _agree(self) -> None:
        with self.phase("audit", "Do the lake and the post-mortem agree with the raw orders and the bucket?") as session:
            after = session.audit()
            timeline = session.data("--incident", self.incident, "timeline")
            report = (session.folder / POST_MORTEM).read_text(encoding="utf-8")
            for told in (
                all_right(after),
                affected_only(self._blast, self._before, after),
                figures_agree(timeline, report, len(self._blast["cells"]), self._before, after),
            ):
                session.tell(f"✓ {told}")

    def post_mortem(self, destination: Path | None) -> Path | None:
        """The exported file, copied to the destination if there is one; None when it was not written."""
        written = self.session.folder / POST_MORTEM
        if not written.exists():
            return None
        if destination is None:
            return written
        shutil.copyfile(written, destination)
        return destination
