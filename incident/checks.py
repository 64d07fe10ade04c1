"""What ``doctor`` looks at: configuration, lineage, storage, orchestrators, home. Nothing changes outside the home."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from incident.config import Config, StorageRule
from incident.context import Context
from incident.errors import CREDENTIALS, FAILED, OK, CredentialsMissing, IncidentError
from incident.language import plural
from lineage.errors import LineageError

Status = Literal["ok", "warn", "fail"]
_ENOUGH = 100_000
"""Events read of one source; it is the readable, not the read, that is checked."""
_PATIENCE = 5
"""Seconds."""
_NOBODY = "start the server, or check endpoint in [[storage]] of incident.toml"
_SOON = 30
"""Days within which an expiring version may be gone before the incident is over."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``detail`` says what was found, ``hint`` what helps; ``credentials``: it fails for want of them."""

    name: str
    status: Status
    detail: str
    hint: str = ""
    credentials: bool = False

    @classmethod
    def failed(cls, name: str, error: IncidentError | LineageError) -> Self:
        return cls(name, "fail", error.message, error.hint, isinstance(error, CredentialsMissing))

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "status": self.status, "detail": self.detail}


def checks(context: Context) -> Iterator[Check]:
    """Every check, in order; one that fails does not keep the next from running."""
    try:
        config = context.config
    except IncidentError as error:
        yield Check("configuration", "fail", error.message, error.hint)
        return
    if config.path is None:
        yield Check("configuration", "warn", "no incident.toml here or above", "incident init")
    else:
        yield Check("configuration", "ok", str(config.path))
    yield from _lineage(context, config)
    for rule in config.storages:
        if not rule.url.startswith("glue://"):
            yield from _storages(context, rule)
    if not config.storages:
        yield Check(
            "storage", "warn", "no [[storage]] entry: nothing in a bucket can be reverted or purged", "add one to incident.toml"
        )
    yield from _quarantine(context)
    yield from _pointers(context)
    yield from _tables(context)
    yield from _orchestrators(config)
    yield from _home(context)


def _lineage(context: Context, config: Config) -> Iterator[Check]:
    from lineage.sources import shown

    if not context.sources:
        yield Check("lineage", "warn", "no sources", "add [lineage] sources to incident.toml, or give --lineage")
    for source in context.sources:
        name = f"lineage {shown(source)}"
        try:
            yield _bucket_of(config, name, source) if source.startswith("s3://") else _source(name, source)
        except (IncidentError, LineageError) as error:
            yield Check.failed(name, error)


def _source(name: str, source: str) -> Check:
    from lineage.sources import Problems, read

    problems, events = Problems(), 0
    for _ in read([source], problems):
        events += 1
        if events == _ENOUGH:
            break
    more = "at least " if events == _ENOUGH else ""
    if not events:
        return Check(name, "warn", f"no usable event; {plural(len(problems.skipped), 'line')} skipped", "incident lineage gaps")
    if problems.skipped:
        first = problems.skipped[0]
        return Check(
            name,
            "warn",
            f"{more}{plural(events, 'event')}; {plural(len(problems.skipped), 'line')} skipped, "
            f"the first in {first.source}:{first.line}: {first.reason}",
            "incident lineage gaps",
        )
    return Check(name, "ok", f"{more}{plural(events, 'event')}")


def _bucket_of(config: Config, name: str, url: str) -> Check:
    from incident.storage import open_reader

    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    rule = config.storage_for(bucket, prefix)
    if rule is not None and (silent := _silent(rule)):
        return Check(name, "fail", silent, _NOBODY)
    open_reader(config, bucket, prefix).state(bucket)
    return Check(name, "ok", "its bucket answers")


def _storages(context: Context, rule: StorageRule) -> Iterator[Check]:
    found = _storage(context, rule)
    yield found
    if found.status != "fail" and rule.url.startswith("s3://"):
        yield _conditions(context, rule)


def _conditions(context: Context, rule: StorageRule) -> Check:
    """What the server honours, tried out anew: the one thing that doctor writes, and removes again."""
    from incident.guarantees import Assurance
    from runbooks.guarantees import WITHOUT

    name = f"conditions {rule.url}"
    try:
        known = Assurance(context, anew=True)(rule.bucket, rule.prefix)
    except IncidentError as error:
        return Check.failed(name, error)
    if not known.degraded:
        return Check(name, "ok", f"all {len(known.honoured)} honoured")
    if not known.honoured and not known.ignored:
        return Check(name, "warn", f"not known, so that none is relied upon: {known.why}", "see it may be tried out")
    parts = [f"{one} is ignored: {WITHOUT[one]}" for one in known.ignored]
    parts += [f"not known: {', '.join(known.unknown)}"] if known.unknown else []
    parts += [known.why] if known.why else []
    return Check(name, "warn", "; ".join(parts), "plans say what follows from it, and ask where that is needed")


def _storage(context: Context, rule: StorageRule) -> Check:
    from incident.storage import open_reader

    name = f"storage {rule.url}"
    if silent := _silent(rule):
        return Check(name, "fail", silent, _NOBODY)
    try:
        state = open_reader(context.config, rule.bucket, rule.prefix).state(rule.bucket)
    except IncidentError as error:
        return Check.failed(name, error)
    if state.versioning != "Enabled":
        word = "suspended" if state.versioning == "Suspended" else "off"
        what = "what is purged must go to a quarantine, and reverts need kept copies"
        return Check(name, "warn", f"versioning is {word}: {what}", "turn versioning on, or set [policy] quarantine")
    if state.mfa_delete:
        return Check(name, "warn", "has MFA delete: what we do could not be taken back, so that nothing is done", "turn it off")
    if off := state.off(context.now(), context.config.declarations.skew):
        return Check(name, "warn", off, "set this machine's clock (NTP)")
    soon = [one for one in state.expiries if one.days < _SOON]
    if soon:
        listed = ", ".join(f"{one.prefix or 'everything'} after {plural(one.days, 'day')}" for one in soon)
        return Check(
            name, "warn", f"versioned, but its lifecycle removes older versions: {listed}", "suspend that rule during an incident"
        )
    return Check(name, "ok", "reachable, versioned")


def _silent(rule: StorageRule) -> str:
    """Why a server cannot be reached at all; empty where it can, or where nobody but a proxy may try.

    Who is about to change data asks again and again, for a quarter of a minute; whoever only wants to know need not wait for that.
    """
    parts = urlsplit(rule.endpoint or "")
    if parts.hostname is None or (parts.scheme in getproxies() and not proxy_bypass(parts.hostname)):
        return ""
    try:
        socket.create_connection((parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)), _PATIENCE).close()
    except (OSError, ValueError) as error:
        return f"nobody answers at {rule.endpoint}: {getattr(error, 'strerror', None) or error}"
    return ""


def _quarantine(context: Context) -> Iterator[Check]:
    """Only where one is set: whether it needs one, the storage's own check says."""
    from incident.quarantine import trouble

    url = context.config.policy.quarantine
    if url is not None:
        try:
            wrong = trouble(context.config, url)
        except IncidentError as error:
            yield Check.failed("quarantine", error)
            return
        hint = "incident purge says for each dataset what follows"
        yield Check("quarantine", "warn", wrong, hint) if wrong else Check("quarantine", "ok", url)


def _pointers(context: Context) -> Iterator[Check]:
    from incident.pointers.checks import pointer_checks

    yield from pointer_checks(context)


def _tables(context: Context) -> Iterator[Check]:
    from incident.tables.checks import table_checks

    yield from table_checks(context)


def _orchestrators(config: Config) -> Iterator[Check]:
    if not config.orchestrators:
        yield Check("orchestrators", "warn", "none: backfills are done by hand", "add [[orchestrator]] to incident.toml")
    for rule in config.orchestrators:
        name = f"orchestrator {rule.jobs}"
        if rule.kind != "command":
            yield Check(name, "fail", f"the kind {rule.kind!r} is not supported yet", 'use kind = "command"')
        elif shutil.which(rule.command[0]) is None:
            yield Check(name, "fail", f"the command {rule.command[0]!r} is not found or not executable", "correct it, or PATH")
        else:
            yield Check(name, "ok", f"{rule.command[0]} is there")


def _home(context: Context) -> Iterator[Check]:
    try:
        home = context.home
        incidents = home.incidents()
    except IncidentError as error:
        yield Check("home", "fail", error.message, error.hint)
        return
    if (reason := _unwritable(home.path)) is not None:
        yield Check("home", "fail", f"{home.path} is not writable: {reason}", "name another with --home DIR")
    else:
        yield Check("home", "ok", f"{home.path}, {plural(len(incidents), 'incident')}")
    for folder in incidents:
        if folder.is_open:
            wrong = folder.timeline.verify()
            count = plural(len(wrong), "problem")
            detail = f"{count}: {wrong[0]}" if wrong else "its timeline is whole"
            yield Check(
                f"timeline {folder.id}", "fail" if wrong else "ok", detail, f"incident timeline verify --incident {folder.id}"
            )


def _unwritable(home: Path) -> str | None:
    """Why a record could not be made here; None when it could."""
    if not home.exists():
        above = next(one for one in home.parents if one.exists())
        return None if above.is_dir() and os.access(above, os.W_OK | os.X_OK) else f"{above} does not let us make it"
    from incident import files

    probe = home / f".doctor-{secrets.token_hex(6)}"
    try:
        files.create(probe, b"")
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def exit_code(found: Iterable[Check]) -> int:
    """That of credentials only where nothing else fails: they are the first thing to get then."""
    lacking = {one.credentials for one in found if one.status == "fail"}
    return OK if not lacking else CREDENTIALS if lacking == {True} else FAILED
