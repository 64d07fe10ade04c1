"""One command line as parsed: the common options from before and after the command, and what to call with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incident.report import Report

if TYPE_CHECKING:
    from incident.context import Context

PANEL = "Common options"


@dataclass
class CommonOptions:
    """CONTRACT "Common options": accepted before and after the command; the later one counts."""

    incident: str | None = None
    home: str | None = None
    config: str | None = None
    json: bool = False
    events: bool = False
    no_input: bool = False
    yes: bool = False
    quiet: bool = False
    no_color: bool = False

    def merge(self, given: dict[str, Any]) -> None:
        """Take over what was given further right."""
        for one in fields(self):
            if given.get(one.name):
                setattr(self, one.name, given[one.name])


def _option(kind: Any, flag: str, help_text: str, metavar: str | None = None) -> Any:
    return Annotated[kind, typer.Option(flag, help=help_text, metavar=metavar, rich_help_panel=PANEL, show_default=False)]


COMMON: dict[str, Any] = {
    "incident": _option(str | None, "--incident", "The incident meant (INCIDENT_ID); else the only open one.", "ID"),
    "home": _option(str | None, "--home", "Where incidents are kept (INCIDENT_HOME).", "DIR"),
    "config": _option(str | None, "--config", "Configuration (INCIDENT_CONFIG); else incident.toml found upwards.", "FILE"),
    "json": _option(bool, "--json", "Print one JSON document on stdout."),
    "events": _option(bool, "--events", "Print NDJSON progress; its last line is that document."),
    "no_input": _option(bool, "--no-input", "Never ask; fail and name the flag that answers."),
    "yes": _option(bool, "--yes", "Answer yes to yes/no questions; gives no consent."),
    "quiet": _option(bool, "--quiet", "No messages and no progress."),
    "no_color": _option(bool, "--no-color", "No colour (NO_COLOR)."),
}
_DEFAULTS = CommonOptions()
COMMON_DEFAULTS: dict[str, Any] = {name: getattr(_DEFAULTS, name) for name in COMMON}


@dataclass
class Invocation:
    """Filled while typer parses; run afterwards, so that parsing has no effects."""

    common: CommonOptions = field(default_factory=CommonOptions)
    command: str = "incident"
    lineage: tuple[str, ...] = ()
    call: Callable[[Context], Report] | None = None

    def context(self) -> Context:
        """The context that the options describe."""
        from incident.context import Context

        common = self.common
        return Context(
            incident_id=common.incident,
            home_url=common.home,
            config_path=common.config,
            json=common.json or common.events,
            no_input=common.no_input,
            yes=common.yes,
            quiet=common.quiet,
            no_color=common.no_color,
            events=common.events,
            lineage_override=self.lineage,
        )
