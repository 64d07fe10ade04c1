"""A closed incident is history: commands that change anything refuse it."""

from __future__ import annotations

from incident.context import Context
from incident.errors import UsageError
from incident.home import IncidentFolder


def changeable(context: Context) -> IncidentFolder:
    """The incident meant, if it is open. Raises UsageError when it is closed."""
    folder = context.folder()
    if not folder.is_open:
        raise UsageError(
            f"{folder.id} is closed, so nothing about it is changed any more",
            'incident declare "TITLE"; it opens another',
            code="closed",
        )
    return folder
