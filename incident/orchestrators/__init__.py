"""Orchestrators: what makes data again. One file a kind; ``opened`` picks by the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from incident.errors import ConfigError

if TYPE_CHECKING:
    from incident.config import Config
    from incident.orchestrators.port import Orchestrator
    from lineage.datasets import JobId


def command_of(config: Config, job: JobId) -> tuple[str, ...] | None:
    """The command template for a job; None when no orchestrator is configured for it.

    Raises ConfigError for a kind that cannot run jobs yet, and for a template with an unknown placeholder.
    """
    from runbooks.command_template import UnknownPlaceholder, placeholders

    rule = config.orchestrator_for(job)
    if rule is None:
        return None
    where = f"{config.path or 'incident.toml'}: [[orchestrator]] jobs = {rule.jobs!r}"
    if rule.kind != "command":
        raise ConfigError(
            f"{where}: the kind {rule.kind!r} is not supported yet, so {job} cannot be run",
            'use kind = "command" with the command that you would type, for example ["airflow", "dags", "trigger", …]',
        )
    if not rule.command:
        raise ConfigError(f"{where}: no command", 'for example command = ["make-it", "{job}", "{partition}"]')
    try:
        placeholders(rule.command)
    except UnknownPlaceholder as error:
        raise ConfigError(f"{where}: {error.message}", error.hint) from error
    return rule.command


def opened(config: Config) -> Orchestrator:
    """What runs the actions of a plan. Commands run in the folder of incident.toml, wherever ``incident`` was typed."""
    from incident.orchestrators.command import CommandOrchestrator

    return CommandOrchestrator(config.path.parent if config.path is not None else Path.cwd())
