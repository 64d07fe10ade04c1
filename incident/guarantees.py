"""What the servers of our buckets honour: asked by a probe, and kept in the home for a week.

A probe writes scratch objects under a prefix of our own (``.dataops-incident/``, or below the quarantine where that lies in the
same bucket) and removes them again. It is the one thing that planning and ``doctor`` write. ``probe = false`` in ``[[storage]]``
forbids it; then, as where it is denied, nothing is known, and what is not known is not relied upon.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from incident import files
from incident.context import Context
from incident.errors import CredentialsMissing, IncidentError, StorageUnreachable
from incident.storage import open_store
from incident.storage.port import ObjectStore
from lineage.datasets import DatasetId
from lineage.timestamps import SECOND
from runbooks.guarantees import Guarantees
from runbooks.survey import LOCAL, BucketState

SCRATCH = ".dataops-incident/"
_KEPT = 7 * 24 * 3_600 * SECOND


@dataclass(frozen=True)
class Assurance:
    """Makes the store of a bucket know what its server honours, so that ``state`` tells it."""

    context: Context
    anew: bool = False

    def __call__(self, bucket: str, prefix: str = "") -> Guarantees:
        """What is known of the place now. Raises what opening the store and asking for the bucket's state raise."""
        if bucket == LOCAL:
            return Guarantees(why="no bucket")
        store = open_store(self.context.config, bucket, prefix)
        state = store.state(bucket, brief=True)
        versioned = state.versioning == "Enabled"
        if state.guarantees.asked and state.guarantees.versioned == versioned and not self.anew:
            return state.guarantees
        known = None if self.anew else self._kept(state)
        if known is None:
            known = self._asked(state, bucket, prefix)
            self._keep(state, known)
        store.remember(bucket, known)
        return known

    def recall(self, store: ObjectStore, state: BucketState) -> Guarantees | None:
        """Make a store know what the home keeps of this bucket, asking nobody; None where it keeps nothing."""
        known = self._kept(state)
        if known is not None and known.versioned == (state.versioning == "Enabled"):
            store.remember(state.bucket, known)
            return known
        return None

    def _asked(self, state: BucketState, bucket: str, prefix: str) -> Guarantees:
        rule = self.context.config.storage_for(bucket, prefix)
        scratch = self._scratch(bucket)
        versioned, now = state.versioning == "Enabled", self.context.now()
        if rule is not None and not rule.probe:
            return Guarantees(why="probe = false in its [[storage]]", asked=now, versioned=versioned)
        if self.context.config.declarations.dataset(DatasetId(f"s3://{bucket}", f"{scratch}probe")).protected:
            return Guarantees(why=f"s3://{bucket}/{scratch} is protected", asked=now, versioned=versioned)
        try:
            return open_store(self.context.config, bucket, prefix).probe(state, scratch, now)
        except (CredentialsMissing, StorageUnreachable):
            raise
        except IncidentError as error:
            return Guarantees(why=error.message, asked=now, versioned=versioned)

    def _scratch(self, bucket: str) -> str:
        quarantine = (self.context.config.policy.quarantine or "").removeprefix("s3://")
        name, _, prefix = quarantine.partition("/")
        return f"{prefix.strip('/')}/{SCRATCH}" if name == bucket and prefix.strip("/") else SCRATCH

    # --- kept in the home -------------------------------------------------------------------------------------------------

    def _path(self, state: BucketState) -> Path:
        named = f"{state.server}\n{state.bucket}\n{state.versioning}"
        return self.context.home.path / "guarantees" / f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.json"

    def _kept(self, state: BucketState) -> Guarantees | None:
        """What was found out in the last week, unless something stayed unknown: another may be allowed to ask."""
        try:
            raw = json.loads(self._path(state).read_bytes())
            known = Guarantees(tuple(raw["honoured"]), tuple(raw["ignored"]), "", raw["asked"], raw["versioned"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return known if 0 <= self.context.now() - known.asked < _KEPT and not known.unknown else None

    def _keep(self, state: BucketState, known: Guarantees) -> None:
        """Write it down, where that is possible; it can always be asked again."""
        if known.unknown or not self.context.home.path.is_dir():
            return
        path = self._path(state)
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            body = {"schema": "incident/guarantees/v1", "server": state.server, "bucket": state.bucket, **asdict(known)}
            files.replace(path, json.dumps(body, indent=2).encode() + b"\n")
