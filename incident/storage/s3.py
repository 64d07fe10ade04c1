"""Versioned S3 buckets, on AWS and on servers that speak S3. The only file that knows boto3.

A request with an effect is sent exactly once: a blind second try could stack a second marker or copy, and its answer would
describe our own first try as somebody else's change. Only a throttled request, which was certainly not performed, goes again.
What cannot be known is raised as ``StorageUnreachable``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from incident.errors import (
    ConfigError,
    CredentialsMissing,
    IncidentError,
    ObjectMissing,
    PreconditionFailed,
    StorageError,
    StorageUnreachable,
)
from incident.storage.listing import Page, histories, read_page
from incident.storage.port import Marked, Removed
from incident.storage.s3_codes import MISSING, THROTTLED, batch_error, client_error
from lineage.timestamps import SECOND
from runbooks.survey import BucketState, Expiry, KeyHistory, ObjectVersion, Versioning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteTypeDef

CONNECTIONS = 32
"""Concurrent requests a store can serve; the executor uses as many threads."""

BATCH = 1_000
_ALONE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|^\s|\s$")
"""Keys that XML 1.0 cannot carry, or that a parser might change on the way: each fails its whole batch, or names another key."""

_AWS = re.compile(r"https://s3[^/]*\.(amazonaws\.com(?:\.cn)?)")

_T = TypeVar("_T")


class S3Store:
    """Reader and store of the buckets that one ``[[storage]]`` entry reaches. Costs nothing until it is used."""

    def __init__(
        self, endpoint: str | None = None, profile: str | None = None, region: str | None = None, *, page: int = BATCH
    ) -> None:
        self._endpoint, self._profile, self._region, self._page = endpoint, profile, region, page

    @cached_property
    def _reads(self) -> S3Client:
        client = self._client(attempts=6)
        client.meta.events.register("before-parse.s3.ListObjectVersions", _keep_order)
        return client

    @cached_property
    def _effects(self) -> S3Client:
        return self._client(attempts=1)

    def _client(self, attempts: int) -> S3Client:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=CONNECTIONS,
            s3={"addressing_style": "path" if self._endpoint else "auto"},
        )
        try:
            session = boto3.session.Session(profile_name=self._profile, region_name=self._region)
            region = session.region_name or ("us-east-1" if self._endpoint else None)
            return session.client("s3", endpoint_url=self._endpoint, region_name=region, config=config)
        except (BotoCoreError, ValueError) as error:
            raise _setup_error(error, self._endpoint, self._profile) from error

    # --- reading ----------------------------------------------------------------------------------------------------------

    def state(self, bucket: str) -> BucketState:
        with _translated(f"s3://{bucket}"):
            found = self._reads.get_bucket_versioning(Bucket=bucket)
        versioning: Versioning = found.get("Status", "Off")
        expiries, known = self._expiries(bucket)
        server = _server(self._reads.meta.endpoint_url)
        return BucketState(bucket, versioning, expiries, known, found.get("MFADelete") == "Enabled", server, _time(found))

    def _expiries(self, bucket: str) -> tuple[tuple[Expiry, ...], bool]:
        from botocore.exceptions import ClientError

        try:
            with _translated(f"s3://{bucket}", keep=("NoSuchLifecycleConfiguration", "NotImplemented", "MethodNotAllowed")):
                rules = self._reads.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
        except ClientError:
            return (), True  # no rules, or a server that has none
        except CredentialsMissing:
            return (), False
        return tuple(_expiry(rule) for rule in rules if rule["Status"] == "Enabled" and "NoncurrentVersionExpiration" in rule), True

    def histories(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[KeyHistory]:
        return histories(self._pages(bucket, prefix, after))

    def _pages(self, bucket: str, prefix: str, after: str | None) -> Iterator[Page]:
        key, version = after, None
        while True:
            markers: dict[str, Any] = {}
            if key is not None:
                markers["KeyMarker"] = key
            if version is not None:
                markers["VersionIdMarker"] = version
            with _translated(f"s3://{bucket}/{prefix}"):
                answer: Any = self._reads.list_object_versions(
                    Bucket=bucket, Prefix=prefix, EncodingType="url", MaxKeys=self._page, **markers
                )
            page = answer["Page"]
            if not isinstance(page, Page):
                raise StorageError(
                    f"the listing of s3://{bucket}/{prefix} cannot be read: {page}",
                    "a key with a control character? list it with another tool, and look at the server's version",
                )
            yield page
            if not page.truncated:
                return
            if page.next_key is None or (page.next_key, page.next_version) == (key, version):
                raise StorageError(
                    f"the listing of s3://{bucket}/{prefix} breaks off after {key!r}: the server names no next page",
                    "try again; a server that does so again cannot be used",
                )
            key, version = page.next_key, page.next_version

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        # The key is the least of all that begin with it, so that it comes first or not at all.
        first = next(iter(self.histories(bucket, key)), None)
        return first if first is not None and first.key == key else None

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        chosen: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with _translated(f"s3://{bucket}/{key}"):
            return self._reads.get_object(Bucket=bucket, Key=key, **chosen)["Body"].read()

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        with _translated(f"s3://{bucket}/{prefix}"):
            for page in self._reads.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                yield from (found["Key"] for found in page.get("Contents", []))

    # --- effects ----------------------------------------------------------------------------------------------------------

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        together = {key: etag for key, etag in etags.items() if not _ALONE.search(key)}
        found = {key: self._mark_alone(bucket, key, etag) for key, etag in etags.items() if key not in together}
        if together:
            request: DeleteTypeDef = {
                "Objects": [{"Key": key, "ETag": etag} for key, etag in together.items()],
                "Quiet": False,
            }
            with _translated(f"s3://{bucket}"):
                answer = _unthrottled(lambda: self._effects.delete_objects(Bucket=bucket, Delete=request))
            for one in answer.get("Deleted", []):
                found[one["Key"]] = Marked(one["Key"], one.get("DeleteMarkerVersionId"))
            for error in answer.get("Errors", []):
                found[error["Key"]] = Marked(error["Key"], None, batch_error(error))
        return [found.get(key, Marked(key, None, "Unanswered: the server did not mention this key")) for key in etags]

    def _mark_alone(self, bucket: str, key: str, etag: str) -> Marked:
        try:
            with _translated(f"s3://{bucket}/{key}"):
                answer = _unthrottled(lambda: self._effects.delete_object(Bucket=bucket, Key=key, IfMatch=etag))
        except PreconditionFailed:
            return Marked(key, None, "PreconditionFailed")
        except ObjectMissing:
            return Marked(key, None, "NoSuchKey")
        except StorageUnreachable as error:
            return Marked(key, None, f"Unanswered: {error.message}")
        except StorageError as error:
            return Marked(key, None, f"Failed: {error.message}")
        return Marked(key, answer.get("VersionId") if answer.get("DeleteMarker", True) else None)

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None) -> str:
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        with _translated(f"s3://{bucket}/{source.key}"):
            answer = _unthrottled(
                lambda: self._effects.copy_object(
                    Bucket=bucket,
                    Key=source.key,
                    CopySource={"Bucket": bucket, "Key": source.key, "VersionId": source.version_id},
                    CopySourceIfMatch=source.etag,
                    MetadataDirective="COPY",
                    TaggingDirective="COPY",
                    StorageClass=source.storage_class,  # type: ignore[arg-type] # the server's own word
                    **condition,
                )
            )
        return answer["VersionId"]

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        _never_null(version_id, bucket, key)
        with _translated(f"s3://{bucket}/{key}"):
            _unthrottled(lambda: self._effects.delete_object(Bucket=bucket, Key=key, VersionId=version_id))

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        found: dict[tuple[str, str], Removed] = {}
        together = [pair for pair in versions if not _ALONE.search(pair[0])]
        for key, version_id in versions:
            _never_null(version_id, bucket, key)
            if _ALONE.search(key):
                found[key, version_id] = self._remove_alone(bucket, key, version_id)
        if together:
            request: DeleteTypeDef = {"Objects": [{"Key": key, "VersionId": version_id} for key, version_id in together]}
            with _translated(f"s3://{bucket}"):
                answer = _unthrottled(lambda: self._effects.delete_objects(Bucket=bucket, Delete=request))
            for one in answer.get("Deleted", []):
                found[one["Key"], one.get("VersionId", "")] = Removed(one["Key"], one.get("VersionId", ""))
            for error in answer.get("Errors", []):
                pair = (error["Key"], error.get("VersionId", ""))
                gone = error.get("Code") in MISSING
                found[pair] = Removed(*pair, None if gone else batch_error(error))
        unanswered = "Unanswered: the server did not mention this version"
        return [found.get(pair, Removed(*pair, unanswered)) for pair in versions]

    def _remove_alone(self, bucket: str, key: str, version_id: str) -> Removed:
        try:
            self.remove_version(bucket, key, version_id)
        except ObjectMissing:
            return Removed(key, version_id)
        except StorageUnreachable as error:
            return Removed(key, version_id, f"Unanswered: {error.message}")
        except StorageError as error:
            return Removed(key, version_id, f"Failed: {error.message}")
        return Removed(key, version_id)


def _never_null(version_id: str, bucket: str, key: str) -> None:
    """Without a version id a removal would hit whatever is current; the ``null`` version may be the only one there is."""
    if not version_id or version_id == "null":
        raise StorageError(
            f"refusing to remove version {version_id!r} of s3://{bucket}/{key}: it names no version of its own",
            "make sure that versioning of the bucket is enabled, and plan again",
        )


def _keep_order(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_rest: object) -> None:
    """Read a listing ourselves and leave botocore an empty one. Errors stay botocore's."""
    if response_dict["status_code"] != 200 or b"<Error" in response_dict["body"][:300]:
        return
    try:
        customized_response_dict["Page"] = read_page(response_dict["body"])
    except ValueError as error:
        customized_response_dict["Page"] = str(error)
    response_dict["body"] = b"<ListVersionsResult/>"


def _time(answer: Mapping[str, Any]) -> int | None:
    """When the server answered, by its own clock, in nanoseconds; None where it does not tell."""
    try:
        told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return round(told.timestamp()) * SECOND


def _server(url: str) -> str:
    """Where buckets are. AWS counts as one place in all regions, since another default region reaches the same buckets."""
    return _AWS.sub(r"https://s3.\1", url.rstrip("/").lower())


def _expiry(rule: Mapping[str, Any]) -> Expiry:
    chosen = rule.get("Filter", {})
    prefix = rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or ""
    return Expiry(prefix, rule["NoncurrentVersionExpiration"].get("NoncurrentDays", 0))


def _unthrottled(send: Callable[[], _T]) -> _T:
    """Send; wait and send again only while the server says that it did not even begin."""
    from botocore.exceptions import ClientError

    for pause in (0.2, 0.5, 1.0, 2.0, 4.0):
        try:
            return send()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in THROTTLED:
                raise
        time.sleep(pause)
    return send()


@contextmanager
def _translated(place: str, keep: tuple[str, ...] = ()) -> Iterator[None]:
    """Botocore's errors as ours; those whose code is in ``keep`` stay as they are."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.exceptions import ConnectionError as NoConnection

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in keep:
            raise
        raise client_error(error.response, place) from error
    except NoConnection as error:
        raise StorageUnreachable(
            f"no answer from the storage about {place}: {error}", "check the endpoint; then run it again"
        ) from error
    except BotoCoreError as error:
        raise _local_error(error, place) from error


def _local_error(error: Exception, place: str) -> IncidentError:
    from botocore import exceptions

    match error:
        case exceptions.NoCredentialsError():
            return CredentialsMissing(
                f"there are no credentials for {place}", "log in, or set profile in [[storage]] of incident.toml"
            )
        case (
            exceptions.PartialCredentialsError()
            | exceptions.CredentialRetrievalError()
            | exceptions.TokenRetrievalError()
            | exceptions.SSOError()
        ):
            return CredentialsMissing(f"the credentials for {place} cannot be used: {error}", "log in again, or check the profile")
        case exceptions.HTTPClientError() | exceptions.IncompleteReadError():
            return StorageUnreachable(f"no complete answer from the storage about {place}: {error}", "run it again")
        case _:
            return StorageError(f"a request about {place} cannot be made: {error}", "check [[storage]] in incident.toml")


def _setup_error(error: Exception, endpoint: str | None, profile: str | None) -> IncidentError:
    from botocore.exceptions import ProfileNotFound

    if isinstance(error, ProfileNotFound):
        return CredentialsMissing(
            f"there is no profile {profile!r} in the AWS configuration",
            "check profile in [[storage]], or aws configure list-profiles",
        )
    return ConfigError(
        f"the storage endpoint {endpoint!r} cannot be used: {error}", "check endpoint and region in [[storage]] of incident.toml"
    )


def create_versioned_bucket(endpoint: str, region: str, bucket: str) -> None:
    """A new bucket that keeps versions, for the demo's throw-away lake."""
    client = S3Store(endpoint, region=region)._effects  # noqa: SLF001 - the one client that retries nothing
    with _translated(f"s3://{bucket}"):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
