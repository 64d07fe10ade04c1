"""What goes to a server without botocore's checks says the same as botocore, is signed for what arrives, and is sent once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from incident.copy_facts import carried
from incident.errors import Archived, ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.storage.port import Checksum, Described, Encryption, Planned
from incident.storage.s3 import S3Store
from incident.storage.s3_carry import kept, recalled, redirect
from incident.storage.s3_signature import Signer
from runbooks.actions import Carried

ETAG = f'"{"a" * 32}"'
COPIED = f"<CopyObjectResult><ETag>{ETAG}</ETag><LastModified>2026-11-20T00:00:00.000Z</LastModified></CopyObjectResult>".encode()
ERROR = b"<Error><Code>%s</Code><Message>said so</Message></Error>"
HEAD = {
    "ETag": ETAG,
    "Content-Length": "4",
    "Last-Modified": "Fri, 20 Nov 2026 00:00:00 GMT",
    "Content-Type": "text/x",
    "x-amz-version-id": "v1",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
    "x-amz-checksum-crc64nvme": "one=",
    "x-amz-checksum-type": "FULL_OBJECT",
    "x-amz-meta-Team": "pricing",
    "x-amz-tagging-count": "2",
    "x-amz-website-redirect-location": "/there",
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-object-lock-retain-until-date": "2026-12-01T00:00:00.000Z",
}
KEYS = ["p/k", "a b+c%d&e=f?g#h;i", "p//k/", "./p/../k", "é/é/😀", "~p/'(!)*,:@$", "\x01", "x" * 900]
SOURCE = Described("bkt", "p/k", "v1", ETAG, 4, 0)


@dataclass
class Server:
    """Answers whatever is put into ``answers``, then as if all went well. ``asked``: method, path and headers."""

    endpoint: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    head: dict[str, str] = field(default_factory=lambda: dict(HEAD))
    breaks: int = 0
    """So many requests are read, and the connection closed instead of an answer."""

    @property
    def methods(self) -> list[str]:
        return [one[0] for one in self.asked]


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            told.asked.append((self.command, self.path, dict(self.headers)))
            if told.breaks:
                told.breaks -= 1
                self.close_connection = True
                return
            status, body = told.answers.pop(0) if told.answers else (200, b"" if self.command == "HEAD" else COPIED)
            headers = told.head if self.command == "HEAD" and status == 200 else {"Content-Length": str(len(body))}
            self.send_response(status)
            for name, value in ({"x-amz-version-id": "v9"} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET = do_PUT = _answer  # noqa: N815  # the library's names

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setattr("incident.storage.s3_client._PAUSES", (0.0, 0.0))
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        told.endpoint = f"http://127.0.0.1:{listening.server_port}"
        yield told
        listening.shutdown()


@pytest.fixture
def server(running: Server) -> Server:
    running.asked.clear()
    running.answers.clear()
    running.head = dict(HEAD)
    return running


@pytest.fixture(scope="module")
def clients(running: Server) -> S3Store:
    """One for all tests: its clients take a while to make."""
    return S3Store(running.endpoint, region="eu-south-2")


@pytest.fixture
def store(clients: S3Store, server: Server) -> S3Store:
    """Whose next requests to "bkt" go the short way."""
    clients._acls["bkt"] = False
    clients.describe("bkt", "p/k", "v1")
    clients.copy_object(SOURCE, "bkt", "p/k", over=ETAG)
    assert clients._short_reads is not None
    assert clients._short_effects is not None
    assert set(clients._short_reads._examples) == set(clients._short_effects._examples) == {"bkt"}
    server.asked.clear()
    return clients


@pytest.fixture
def long_way(clients: S3Store, server: Server) -> S3Store:
    """Whose requests all go botocore's way."""
    made = S3Store(server.endpoint, region="eu-south-2")
    made.__dict__ |= {"_reads": clients._reads, "_effects": clients._effects, "_short_reads": None, "_short_effects": None}
    made._acls["bkt"] = False
    return made


# --- what is said --------------------------------------------------------------------------------------------------------


def meant(asked: tuple[str, str, dict[str, str]]) -> Any:
    """All of a request but what differs each time, and what botocore tells of itself."""
    method, path, headers = asked
    path, _, query = path.partition("?")
    plain = {name.lower(): value for name, value in headers.items()}
    for name in ("authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request", "user-agent"):
        plain.pop(name, None)
    return method, path, sorted(query.split("&")), plain


def valid(asked: tuple[str, str, dict[str, str]], endpoint: str) -> bool:
    """Whether the signature is that of the request as it arrived."""
    method, path, headers = asked
    told = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=\S+, SignedHeaders=(\S+), Signature=(\w+)", headers["Authorization"])
    assert told is not None
    names = told.group(1).split(";")
    received = {name.lower(): value for name, value in headers.items()}
    assert {name for name in received if name.startswith("x-amz-")} <= set(names)
    request = AWSRequest(method, endpoint + path, headers={name: received[name] for name in names})
    request.context["timestamp"] = received["x-amz-date"]
    signer = S3SigV4Auth(Credentials("id", "secret"), "s3", "eu-south-2")
    return bool(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request) == told.group(2))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("version", ["v1", "a/b+c=&d"])
def test_a_look_is_the_same_both_ways(store: S3Store, long_way: S3Store, server: Server, key: str, version: str) -> None:
    assert store.describe("bkt", key, version) == long_way.describe("bkt", key, version)
    short, long = server.asked
    assert meant(short) == meant(long)
    assert "amz-sdk-invocation-id" not in short[2]
    assert valid(short, server.endpoint)
    assert valid(long, server.endpoint)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("over", [ETAG, None])
def test_a_copy_is_the_same_both_ways(store: S3Store, long_way: S3Store, server: Server, key: str, over: str | None) -> None:
    kms = Encryption("aws:kms", "key-1", bucket_key=True)
    redirected = (("WebsiteRedirectLocation", "/there"),)
    source = Described("bkt", key, "v1", ETAG, 4, 0, "STANDARD_IA", None, kms, redirected)
    for one in (store, long_way):
        one.copy_object(source, "bkt", key, over=over)
    short, _, long, _ = server.asked
    assert server.methods == ["PUT", "HEAD"] * 2  # under KMS the ETag is no sum of the bytes
    assert meant(short) == meant(long)
    assert "amz-sdk-invocation-id" not in short[2]
    assert valid(short, server.endpoint)


def test_who_pays_says_so_both_ways(server: Server) -> None:
    paying = S3Store(server.endpoint, region="eu-south-2", requester_pays=True)
    for _ in range(2):
        paying.describe("bkt", "p/k", "v1")
    first, second = server.asked
    assert meant(first) == meant(second)
    assert second[2]["x-amz-request-payer"] == "requester"


def test_an_expiry_that_is_no_date_is_kept_as_text(store: S3Store, server: Server) -> None:
    server.head["Expires"] = "tomorrow"
    assert ("Expires", "tomorrow") in store.describe("bkt", "p/k", "v1").headers


@pytest.mark.parametrize(
    "url", ["https://bkt.s3.eu-south-2.amazonaws.com/?versions&prefix=a%2Fb", "http://127.0.0.1:1/bkt/a%20b/~c"]
)
@pytest.mark.parametrize("token", [None, "session=="])
def test_a_signature_is_what_botocore_makes_of_the_same(url: str, token: str | None) -> None:
    credentials = Credentials("id", "secret", token)
    headers = {"x-amz-meta-b": " two  blanks ", "User-Agent": "us", "If-Match": ETAG}
    made = Signer().signed("PUT", url, headers, credentials.get_frozen_credentials(), "eu-south-2")
    assert made.get("X-Amz-Security-Token") == token
    request = AWSRequest("PUT", url, headers=headers)
    request.context["client_config"] = None
    with pytest.MonkeyPatch.context() as patch:
        moment = datetime.strptime(made["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        S3SigV4Auth(credentials, "s3", "eu-south-2").add_auth(request)
    assert made["Authorization"] == request.headers["Authorization"]
    assert made["X-Amz-Content-SHA256"] == request.headers["X-Amz-Content-SHA256"]


VERSIONS = b"""<ListVersionsResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Version><Key>p/a%2Bb</Key>
<VersionId>v1</VersionId><IsLatest>true</IsLatest><LastModified>2026-11-20T00:00:00.000Z</LastModified><ETag>e</ETag><Size>4</Size>
</Version></ListVersionsResult>"""
CURRENT = b"""<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>p/a%2Bb</Key>
<LastModified>2026-11-20T00:00:00.000Z</LastModified><ETag>e</ETag><Size>4</Size></Contents></ListBucketResult>"""
ENABLED = b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"
ASKED: dict[str, tuple[bytes, Callable[[S3Store], Any]]] = {
    "versions": (VERSIONS, lambda store: list(store.histories("bkt", "p/a +%&=é", "p/ b"))),
    "current objects": (CURRENT, lambda store: list(store.currents("bkt", "p/a +%&=é", "p/ b"))),
    "versioning": (ENABLED, lambda store: (store._versioning("bkt")["Status"], store._versioning("bkt")["MFADelete"])),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_is_asked_of_a_bucket_is_the_same_both_ways(store: S3Store, long_way: S3Store, server: Server, what: str) -> None:
    body, ask = ASKED[what]
    server.answers += [(200, body)] * 4
    assert ask(store) == ask(long_way) != []
    short, long = server.asked[0], server.asked[-1]
    assert meant(short) == meant(long)
    assert "amz-sdk-invocation-id" not in short[2]
    assert "amz-sdk-invocation-id" in long[2]
    assert valid(short, server.endpoint)


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("broken", [(500, b""), (503, ERROR % b"SlowDown"), (200, ERROR % b"InternalError"), (200, b"<List")])
def test_a_question_that_failed_is_asked_again_botocores_way(
    store: S3Store, server: Server, what: str, broken: tuple[int, bytes]
) -> None:
    body, ask = ASKED[what]
    server.answers += [broken, *[(200, body)] * 2]
    assert ask(store) != []
    assert ["amz-sdk-invocation-id" in headers for _, _, headers in server.asked][:2] == [False, True]


def test_a_connection_that_breaks_leaves_a_copy_in_doubt_and_sent_once(store: S3Store, server: Server) -> None:
    server.breaks = 1
    with pytest.raises(StorageUnreachable):
        store.copy_object(SOURCE, "bkt", "p/k", over=ETAG)
    assert server.methods == ["PUT"]
    assert store.copy_object(SOURCE, "bkt", "p/k", over=ETAG).version_id == "v9"


# --- what is answered ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [ERROR % b"InternalError", b"", b"\n\n  ", b"<Copy"])
def test_a_copy_without_a_result_is_in_doubt_and_sent_once(store: S3Store, server: Server, body: bytes) -> None:
    server.answers.append((200, body))
    with pytest.raises(StorageUnreachable):
        store.copy_object(SOURCE, "bkt", "p/k", over=ETAG)
    assert server.methods == ["PUT"]


@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (412, b"PreconditionFailed", PreconditionFailed),
        (404, b"NoSuchVersion", ObjectMissing),
        (500, b"InternalError", StorageUnreachable),
        (403, b"InvalidObjectState", Archived),
        (400, b"InvalidArgument", StorageError),
    ],
)
def test_a_refusal_is_told_as_ever_and_nothing_is_sent_twice(
    store: S3Store, server: Server, status: int, code: bytes, raised: type[StorageError]
) -> None:
    server.answers.append((status, ERROR % code))
    with pytest.raises(StorageError) as error:
        store.copy_object(SOURCE, "bkt", "p/k", over=ETAG)
    assert type(error.value) is raised
    assert server.methods == ["PUT"]


def test_what_was_throttled_goes_again(store: S3Store, server: Server) -> None:
    server.answers.append((503, ERROR % b"SlowDown"))
    assert store.copy_object(SOURCE, "bkt", "p/k", over=ETAG).version_id == "v9"
    assert server.methods == ["PUT", "PUT"]


def test_a_bucket_that_moved_is_asked_botocores_way(store: S3Store, server: Server) -> None:
    server.answers.append((307, ERROR % b"TemporaryRedirect"))
    assert store.copy_object(SOURCE, "bkt", "p/k", over=ETAG).version_id == "v9"
    assert ["amz-sdk-invocation-id" in headers for _, _, headers in server.asked] == [False, True]


def test_a_look_that_fails_is_asked_again_botocores_way(store: S3Store, server: Server) -> None:
    server.answers.append((500, b""))
    assert store.describe("bkt", "p/k", "v1").etag == ETAG
    assert ["amz-sdk-invocation-id" in headers for _, _, headers in server.asked] == [False, True]


# --- what a plan knows ---------------------------------------------------------------------------------------------------

KNOWN = Planned("p/k", "v1", ETAG, 4, 0, False, "STANDARD_IA", Carried("CRC32 FULL_OBJECT x=", "AES256", 2, redirect="/there"))


def test_what_a_plan_knows_of_a_version_is_not_asked_again(store: S3Store, server: Server) -> None:
    assert store.copy_version(KNOWN, "bkt", over=ETAG) == "v9"
    ((method, _, headers),) = server.asked
    assert method == "PUT"
    assert headers["x-amz-storage-class"] == "STANDARD_IA"
    assert headers["x-amz-server-side-encryption"] == "AES256"
    assert headers["x-amz-website-redirect-location"] == "/there"
    assert headers["x-amz-copy-source-if-match"] == ETAG
    assert headers["If-Match"] == ETAG


@pytest.mark.parametrize(
    "changed", [{"version_id": "null"}, {"storage_class": "GLACIER"}, {"size": 6 * 1000**3}], ids=["null", "archive", "large"]
)
def test_what_a_plan_cannot_know_is_asked(store: S3Store, server: Server, changed: dict[str, Any]) -> None:
    store.copy_version(replace(KNOWN, **changed), "bkt", over=ETAG)
    assert server.methods[0] == "HEAD"


def test_what_a_plan_keeps_is_what_is_recalled() -> None:
    for encryption in (Encryption(), Encryption("AES256"), Encryption("aws:kms", "arn:aws:kms:eu:1:key/k", bucket_key=True)):
        for checksum in (None, Checksum("SHA256", "abc=-3", "COMPOSITE"), Checksum("CRC32", "x==")):
            headers = (("ContentType", "text/x"), ("WebsiteRedirectLocation", "/there"))
            found = Described("bkt", "p/k", "v1", ETAG, 4, 0, "STANDARD_IA", checksum, encryption, headers, tags=1)
            again = recalled(Planned("p/k", "v1", ETAG, 4, 0, False, "STANDARD_IA", carried(found, None)), "bkt")
            assert again is not None
            assert (again.checksum, kept(again), redirect(again)) == (checksum, kept(found), redirect(found))
