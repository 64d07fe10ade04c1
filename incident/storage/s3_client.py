"""Connections to servers that speak S3: the only file of the product that imports boto3.

A request with an effect is sent exactly once: a blind second try could stack a second marker or copy, and its answer would
describe our own first try as somebody else's change. Only a throttled request, which was certainly not performed, goes again.
What cannot be known is raised as ``StorageUnreachable``.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from incident.errors import ConfigError, CredentialsMissing, IncidentError, StorageError, StorageUnreachable
from incident.storage.batch_delete import Answer, Named, is_result, read_result, written
from incident.storage.listing import read_page
from incident.storage.s3_codes import THROTTLED, client_error
from incident.storage.s3_short_way import ShortWay, short_way

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECTIONS = 32
"""Concurrent requests a store can serve; the executor uses as many threads."""

_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
_AWS = re.compile(r"https://s3[^/]*\.(amazonaws\.com(?:\.cn)?)")

_T = TypeVar("_T")


class S3Connection:
    """What one ``[[storage]]`` entry reaches. Costs nothing until it is used."""

    def __init__(self, endpoint: str | None, profile: str | None, region: str | None, *, requester_pays: bool = False) -> None:
        self._endpoint, self._profile, self._region, self._pays = endpoint, profile, region, requester_pays
        self._batch = threading.local()

    @cached_property
    def _session(self) -> Any:
        """One for all clients: it reads the descriptions of the service once."""
        import boto3

        return boto3.session.Session(profile_name=self._profile, region_name=self._region)

    @cached_property
    def _reads(self) -> S3Client:
        client: S3Client = self._client("s3", attempts=6)
        _read_ourselves(client, {"ListObjectVersions": _keep_order})
        return client

    @cached_property
    def _effects(self) -> S3Client:
        client: S3Client = self._client("s3", attempts=1)
        client.meta.events.register("before-call.s3.DeleteObjects", self._write_batch)
        _read_ourselves(client, {"DeleteObjects": _read_batch})
        return client

    @cached_property
    def _short_reads(self) -> ShortWay | None:
        return short_way(self._reads, pays=self._pays)

    @cached_property
    def _short_effects(self) -> ShortWay | None:
        return short_way(self._effects, pays=self._pays)

    def _delete_batch(self, bucket: str, objects: Sequence[Named]) -> Answer:
        """DeleteObjects in verbose mode, each key answered. Raises botocore's errors."""
        self._batch.body = written(objects)
        # Botocore checks and serialises one of them; were its body sent after all, that one alone would go, on its condition.
        one = {name: value for name, value in zip(("Key", "VersionId", "ETag"), objects[0], strict=True) if value}
        request: Any = {"Objects": [one], "Quiet": False}
        answer: Any = self._effects.delete_objects(Bucket=bucket, Delete=request)
        found: Answer = answer.get("Batch", answer)
        return found

    def _write_batch(self, params: dict[str, Any], **_rest: object) -> None:
        params["body"] = self._batch.body

    @property
    def server(self) -> str:
        """Where buckets are. AWS counts as one place in all regions, since another default region reaches the same buckets."""
        return _AWS.sub(r"https://s3.\1", self._reads.meta.endpoint_url.rstrip("/").lower())

    def _client(self, service: str, attempts: int) -> Any:
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
            region = self._session.region_name or ("us-east-1" if self._endpoint else None)
            client = self._session.client(service, endpoint_url=self._endpoint, region_name=region, config=config)
        except (BotoCoreError, ValueError) as error:
            raise _setup_error(error, self._endpoint, self._profile) from error
        if self._pays:
            client.meta.events.register("provide-client-params.s3", _pay)
        return client


def unthrottled(send: Callable[[], _T]) -> _T:
    """Send; wait and send again only while the server says that it did not even begin."""
    from botocore.exceptions import ClientError

    for pause in _PAUSES:
        try:
            return send()
        except ClientError as error:
            if error_code(error) not in THROTTLED:
                raise
        time.sleep(pause)
    return send()


def error_code(error: Any) -> str:
    """The code of a ClientError."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(place: str, keep: tuple[str, ...] = ()) -> Iterator[None]:
    """Botocore's errors as ours; those whose code is in ``keep`` stay as they are."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.exceptions import ConnectionError as NoConnection

    try:
        yield
    except ClientError as error:
        if error_code(error) in keep:
            raise
        raise client_error(error.response, place, error.operation_name) from error
    except NoConnection as error:
        raise StorageUnreachable(
            f"no answer from the storage about {place}: {error}", "check the endpoint; then run it again"
        ) from error
    except BotoCoreError as error:
        raise _local_error(error, place) from error


def answered(send: Callable[[], _T], place: str, *without: str) -> _T | str:
    """What the server answers, or the code if that is one of ``without``: there is no such thing, or the server has none."""
    from botocore.exceptions import ClientError

    try:
        with translated(place, keep=without):
            return send()
    except ClientError as error:
        return error_code(error)


def _read_ourselves(client: Any, readers: Mapping[str, Callable[..., None]]) -> None:
    """Have the answers to some operations read by us.

    Botocore parses every answer of status 200 once before anything else, in search of an error. What these readers have read is
    an empty one by then, and what they leave to it is searched as ever. Should a later botocore search elsewhere, it only parses
    twice again.
    """
    from botocore import handlers

    searches = getattr(handlers, "_handle_200_error", None)
    events = client.meta.events

    def read(operation_model: Any, **answer: Any) -> None:
        if (reader := readers.get(operation_model.name)) is not None:
            reader(**answer)
        if searches is not None:
            searches(operation_model=operation_model, **answer)

    if searches is not None:
        events.unregister("before-parse.s3.*", searches)
    events.register_first("before-parse.s3.*", read)


def _keep_order(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_rest: object) -> None:
    """Read a listing ourselves and leave botocore an empty one. Errors stay botocore's."""
    if response_dict["status_code"] != 200 or b"<Error" in response_dict["body"][:300]:
        return
    try:
        customized_response_dict["Page"] = read_page(response_dict["body"])
    except ValueError as error:
        customized_response_dict["Page"] = str(error)
    response_dict["body"] = b"<ListVersionsResult/>"


def _read_batch(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_rest: object) -> None:
    """Read the result of a batch ourselves and leave botocore an empty one. Errors stay botocore's."""
    if response_dict["status_code"] != 200 or not is_result(response_dict["body"]):
        return
    try:
        customized_response_dict["Batch"] = read_result(response_dict["body"])
    except ValueError:
        return  # botocore says what is wrong with it
    response_dict["body"] = b"<DeleteResult/>"


def _pay(params: dict[str, Any], model: Any, **_rest: object) -> None:
    """Say that we pay for a request, wherever a request can say so."""
    if "RequestPayer" in model.input_shape.members:
        params.setdefault("RequestPayer", "requester")


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
