"""All commands, heading by heading; importing one of these modules registers its commands."""

from __future__ import annotations

from incident.cli import quarantine, record, recover, runbook, set_up, understand
from incident.cli.root import commands, program

__all__ = ["commands", "program", "quarantine", "record", "recover", "runbook", "set_up", "understand"]
