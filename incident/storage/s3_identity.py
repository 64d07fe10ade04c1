"""Who we are to S3, for libraries that have a client of their own: found as for our own requests, by boto3's usual chain."""

from __future__ import annotations

from dataclasses import dataclass

from incident.errors import CredentialsMissing


@dataclass(frozen=True, slots=True)
class Identity:
    """Credentials as they are now; those of a role last for hours at most. Never written anywhere."""

    key: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        return "Identity(…)"


def identity(profile: str | None) -> Identity | None:
    """The credentials of a profile, or of the chain without one; None where there are none. Raises CredentialsMissing."""
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.session.Session(profile_name=profile).get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
    except BotoCoreError as error:
        raise CredentialsMissing(f"the credentials for S3 cannot be used: {error}", "log in again, or check the profile") from error
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        return None
    return Identity(frozen.access_key, frozen.secret_key, frozen.token or "")
