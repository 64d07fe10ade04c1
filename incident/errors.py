"""What can go wrong while acting, each with its exit code; decided here and nowhere else.

IncidentError (1)
├── UsageError (2)             the command line asks for something that does not make sense
├── ConfigError (2)            incident.toml is unreadable or invalid; names the key and the line or path
├── InputNeeded (3)            a choice, a consent or an approval is missing; the hint names the flag that gives it
├── CredentialsMissing (4)     the storage refuses us, or there are no credentials
├── Drift (5)                  the world moved since the plan
├── VerificationFailed (6)     something tainted is left, or something purged is not back
├── Interrupted (130)          the operator stopped us between two chunks; the hint says how to go on
├── TimelineUnwritable (7)     the timeline or the journal could not be written; nothing destructive happens
└── StorageError (1)           the storage answered with an error
    ├── BucketMissing (1)      no such bucket
    ├── ObjectMissing (1)      no such key or version
    ├── PreconditionFailed (1) a condition did not hold; nothing changed
    ├── Archived (1)           its bytes cannot be read before it is restored from its storage class
    ├── KeyNeeded (1)          its bytes cannot be read without its owner's key
    ├── Retained (1)           it cannot be removed: Object Lock, a legal hold
    └── StorageUnreachable (1) no answer; whether the request had an effect is unknown
"""

from __future__ import annotations

from typing import Any

OK, FAILED, USAGE, INPUT_NEEDED, CREDENTIALS, DRIFTED, UNVERIFIED, UNWRITABLE, PENDING, INTERRUPTED = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    130,
)


class IncidentError(Exception):
    """Something the person at the keyboard can act on: what happened, to what, and the next command to type."""

    exit_code = FAILED
    code = "failed"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.data = data or {}


class UsageError(IncidentError):
    exit_code = USAGE
    code = "usage"


class ConfigError(IncidentError):
    exit_code = USAGE
    code = "config"


class InputNeeded(IncidentError):
    exit_code = INPUT_NEEDED
    code = "input-needed"


class CredentialsMissing(IncidentError):
    exit_code = CREDENTIALS
    code = "credentials"


class Drift(IncidentError):
    exit_code = DRIFTED
    code = "drift"


class VerificationFailed(IncidentError):
    exit_code = UNVERIFIED
    code = "verification"


class TimelineUnwritable(IncidentError):
    exit_code = UNWRITABLE
    code = "timeline"


class Interrupted(IncidentError):
    exit_code = INTERRUPTED
    code = "interrupted"


class StorageError(IncidentError):
    code = "storage"


class BucketMissing(StorageError):
    code = "no-bucket"


class ObjectMissing(StorageError):
    code = "no-object"


class PreconditionFailed(StorageError):
    code = "precondition"


class Archived(StorageError):
    code = "archived"


class KeyNeeded(StorageError):
    code = "customer-key"


class Retained(StorageError):
    code = "retained"


class StorageUnreachable(StorageError):
    code = "unreachable"
