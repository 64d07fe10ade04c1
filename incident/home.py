"""The home: where incidents live, one folder an incident.

<home>/<INCIDENT-ID>/incident.json   its id, title and when it was opened; never changed
                     events/         the timeline; the incident's state is read from it
                     revisions/      the radius as it was understood, r1.json, r2.json, …
                     plans/          what was shown and may be applied, by hash
                     journal/        what was intended and what came of it, per applied plan
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident import files
from incident.errors import IncidentError, TimelineUnwritable, UsageError
from incident.saved_plans import SavedPlans
from incident.timeline import Timeline, TimelineDamaged
from lineage import timestamps

if TYPE_CHECKING:
    from runbooks.plan import Plan

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"r([1-9]\d*)")


def default_home() -> Path:
    """``$XDG_STATE_HOME/dataops-incident``, or ``~/.local/state/dataops-incident``. Raises UsageError where neither is."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if state.startswith("/") else Path("~/.local/state").expanduser()
    except RuntimeError as error:
        raise UsageError("There is no home directory to keep incidents in", "name one with --home DIR or INCIDENT_HOME") from error
    return base / "dataops-incident"


class Home:
    """A directory of incidents. Opening one changes nothing; ``create`` makes the directory."""

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        clock: Callable[[], int] = time.time_ns,
        actor: dict[str, Any] | None = None,
    ) -> None:
        """Raises UsageError for a home that is not a local directory."""
        text = os.fspath(url)
        if "://" in text and not text.startswith("file://"):
            raise UsageError(
                f"A home in a bucket is not supported yet: {text}",
                "name a local directory with --home DIR, INCIDENT_HOME or [home] url",
            )
        self.url = text
        self.path = Path(text.removeprefix("file://")).expanduser().absolute()
        try:
            wrong = self.path.exists() and not self.path.is_dir()
        except OSError:  # whoever reads or writes there will say so
            wrong = False
        if wrong:
            raise UsageError(f"The home {self.path} is not a directory", "name a directory with --home DIR")
        self._clock = clock
        self._actor = actor

    def incidents(self) -> list[IncidentFolder]:
        """Every incident, in the order of their ids, which begin with their dates."""
        try:
            found = sorted(
                path.name for path in self.path.iterdir() if (path / "events").is_dir() or (path / "incident.json").exists()
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise IncidentError(
                f"The home {self.path} cannot be read: {error.strerror or error}", "name another with --home"
            ) from error
        return [self._folder(name) for name in found if _ID.fullmatch(name)]

    def incident(self, incident_id: str) -> IncidentFolder:
        """The incident of that id. Raises UsageError with the list when there is none."""
        found = self.incidents()
        for folder in found:
            if folder.id == incident_id:
                return folder
        listed = "".join(f"\n  {folder.id}" for folder in found)
        known = f" It holds:{listed}" if found else " It holds none."
        raise UsageError(f"There is no incident {incident_id!r} in {self.path}.{known}", "incident list")

    def create(self, title: str, now: int) -> IncidentFolder:
        """Open a folder for a new incident; its id is the UTC date and the title. ``now`` in nanoseconds UTC.

        Raises UsageError for an empty title, TimelineUnwritable when the folder cannot be made.
        """
        title = " ".join(title.encode("utf-8", "replace").decode().split())
        if not title:
            raise UsageError("An incident needs a title", 'incident declare "orders priced in cents"')
        base = f"INC-{timestamps.to_datetime(now):%Y-%m-%d}-{_slug(title)}"
        number = 1
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            while True:
                folder = self._folder(base if number == 1 else f"{base}-{number}")
                try:
                    folder.path.mkdir()
                    break
                except FileExistsError:
                    number += 1
            for part in ("events", "revisions", "plans", "journal"):
                (folder.path / part).mkdir()
            body = {"schema": "incident/incident/v1", "id": folder.id, "title": title, "opened_at": timestamps.render(now)}
            files.create(folder.path / "incident.json", _pretty(body))
        except OSError as error:
            raise TimelineUnwritable(
                f"No incident can be recorded in {self.path}: {error.strerror or error}",
                "make that directory writable, or name another with --home",
            ) from error
        return folder

    def _folder(self, name: str) -> IncidentFolder:
        return IncidentFolder(self.path / name, clock=self._clock, actor=self._actor)


class IncidentFolder:
    """One incident's artifacts. All but the timeline's growth is write-once."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], int] = time.time_ns,
        actor: dict[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.id = path.name
        self.timeline = Timeline(path / "events", self.id, clock=clock, actor=actor)
        self._plans = SavedPlans(path / "plans", self.id)

    @property
    def journal_dir(self) -> Path:
        return self.path / "journal"

    @property
    def title(self) -> str:
        """The title it was opened with; its id when that file is lost."""
        try:
            return str(json.loads((self.path / "incident.json").read_bytes())["title"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.id

    @property
    def is_open(self) -> bool:
        """Read from the timeline: not closed, or opened again since. One that cannot be read counts as open."""
        try:
            last = [record.kind for record in self.timeline.records() if record.kind in {"closed", "reopened"}]
        except TimelineDamaged:
            return True
        return not last or last[-1] == "reopened"

    # --- plans -----------------------------------------------------------------------------------------------------------

    def save_plan(self, plan: Plan, created_at: int) -> None:
        """Keep a plan under its id, for ``--apply``. Saving the same plan again changes nothing. ``created_at`` in ns UTC."""
        self._plans.save(plan, created_at)

    def load_plan(self, plan_id: str, phase: str | None = None) -> Plan:
        """A saved plan. Raises UsageError when it is not this incident's or of another phase, IncidentError when damaged."""
        return self._plans.load(plan_id, phase)

    def plans(self) -> list[str]:
        """The ids of the saved plans, oldest first."""
        return self._plans.ids()

    @property
    def room(self) -> Path:
        """Where what does not fit into memory while planning may lie for a while."""
        return self._plans.folder

    # --- revisions -------------------------------------------------------------------------------------------------------

    def save_revision(self, radius: dict[str, Any]) -> str:
        """Name a radius: the latest revision's name when it says the same, else the next. The kept one carries its name."""
        content = {key: value for key, value in radius.items() if key != "revision"}
        content = json.loads(json.dumps(content, default=list))
        while True:
            saved = self.revisions()
            if saved and {key: value for key, value in saved[-1][1].items() if key != "revision"} == content:
                return saved[-1][0]
            number = int(saved[-1][0][1:]) + 1 if saved else 1
            if self._create("revisions", f"r{number}", {**content, "revision": f"r{number}"}):
                return f"r{number}"

    def revisions(self) -> list[tuple[str, dict[str, Any]]]:
        """Every revision of the radius, in order."""
        names = sorted(
            (path for path in self._json("revisions") if _REVISION.fullmatch(path.stem)), key=lambda path: int(path.stem[1:])
        )
        found = []
        for path in names:
            try:
                found.append((path.stem, dict(json.loads(path.read_bytes()))))
            except (OSError, ValueError, TypeError) as error:
                raise IncidentError(f"The radius revision {path} cannot be read: {error}", "restore it from a copy") from error
        return found

    def _json(self, part: str) -> list[Path]:
        return [path for path in (self.path / part).glob("*.json") if not path.name.startswith(".")]

    def _create(self, part: str, name: str, body: dict[str, Any]) -> bool:
        path = self.path / part / f"{name}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return files.create(path, _pretty(body))
        except OSError as error:
            raise TimelineUnwritable(
                f"{path} could not be written: {error.strerror or error}",
                "make the home writable, or name another with --home",
            ) from error


def _pretty(body: dict[str, Any]) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _slug(title: str) -> str:
    import unicodedata

    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:60].strip("-") or "incident"
