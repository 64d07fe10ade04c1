"""Whether a version that a listing calls archived can be read all the same, because it was restored for a while."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from incident.context import Context
from incident.errors import ObjectMissing
from incident.storage import open_reader
from incident.storage.s3_codes import archived
from runbooks.survey import ObjectVersion


def unreadable(context: Context) -> Callable[[str, ObjectVersion], str]:
    """Asks the storage why a version cannot be read now; empty when it can. Read-only.

    Raises what a reader's ``describe`` raises, except that a version that is gone is left to whoever needs it.
    """

    @lru_cache(maxsize=100_000)
    def why(bucket: str, version: ObjectVersion) -> str:
        reader = open_reader(context.config, bucket, version.key)
        try:
            found = reader.describe(bucket, version.key, None if version.version_id == "null" else version.version_id)
        except ObjectMissing:
            return ""
        if not found.archived:
            return ""
        error = archived(f"s3://{bucket}/{version.key}", found.storage_class, found.version_id)
        return f"{error.message}; {error.hint}"

    return why
