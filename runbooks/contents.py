"""What planners ask of all keys of a cell, found in one go while they are listed, so that nobody has to go through them for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lineage.timestamps import SECOND
from runbooks.survey import COMPLETION, CellSurvey, KeyHistory
from runbooks.targets import table_format


@dataclass(frozen=True, slots=True)
class Contents:
    """``objects``: how many are current. ``nulls``: there is a version without an id. ``completions``: there is such a marker.

    ``form``: the table format that some file betrays. ``fine``: some time tells more than whole seconds.
    """

    objects: int = 0
    nulls: bool = False
    completions: bool = False
    fine: bool = False
    form: str | None = None


class Gathering:
    """Takes the histories of a cell one by one."""

    def __init__(self) -> None:
        self._objects = 0
        self._nulls = self._completions = self._fine = False
        self._form: str | None = None

    def through(self, histories: Iterable[KeyHistory]) -> Iterator[KeyHistory]:
        """The same histories, each taken on its way."""
        for history in histories:
            key, versions = history.key, history.versions
            if not versions[0].is_marker:
                self._objects += 1
            for version in versions:
                if version.version_id == "null":
                    self._nulls = True
                if not self._fine and version.last_modified % SECOND:
                    self._fine = True
            if key.endswith(COMPLETION):
                self._completions = True
            if self._form is None:
                self._form = table_format((key,))
            yield history

    def contents(self) -> Contents:
        return Contents(self._objects, self._nulls, self._completions, self._fine, self._form)


def contents_of(survey: CellSurvey) -> Contents:
    """The contents of a cell, as they were gathered when it was surveyed; else its keys are gone through."""
    if survey.contents is not None:
        return survey.contents
    gathering = Gathering()
    for _ in gathering.through(survey.keys):
        pass
    return gathering.contents()
