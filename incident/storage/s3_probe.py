"""Tries out what a bucket's server honours, with scratch objects under a prefix of our own; all of them are removed again.

A condition counts as honoured only if a request with a wrong one was refused *and* one with a right one went through. What we are
not allowed to try is not known, and what is not known is not relied upon.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incident.errors import CredentialsMissing, IncidentError, ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.storage.port import Upload
from incident.storage.s3_client import translated, unthrottled
from runbooks.guarantees import ALL, Guarantee, Guarantees
from runbooks.survey import BucketState, KeyHistory

if TYPE_CHECKING:
    from incident.storage.s3 import S3Store

_OTHER = '"00000000000000000000000000000000"'
"""The ETag of nothing that we write."""


def unsafe(state: BucketState, prefix: str) -> str:
    """Why nothing may be tried out under this prefix; empty when it may. What we write must be removable without a trace."""
    if state.mfa_delete:
        return "with MFA delete our scratch objects could not be removed again"
    if state.retains:
        return f"the bucket retains every new version for {state.retains}, our scratch objects too"
    if "object lock" in state.hidden:
        return "we may not read whether the bucket retains new versions: s3:GetBucketObjectLockConfiguration"
    if "replication" in state.hidden:
        return "we may not read whether our scratch objects would be replicated: s3:GetReplicationConfiguration"
    if any(one.startswith(prefix) or prefix.startswith(one) for one in state.replicated):
        return "our scratch objects would be replicated, and stay on the other side"
    return ""


@dataclass
class Trial:
    """One probe of one bucket. ``prefix`` ends at a ``/`` and is nobody's but ours."""

    store: S3Store
    bucket: str
    prefix: str
    versioned: bool
    verdicts: dict[Guarantee, bool] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)

    def run(self, asked: int) -> Guarantees:
        """Raises nothing but what keeps us from reaching the storage at all."""
        try:
            if self._can_write():
                self._conditions()
        except IncidentError as error:
            self._doubt(error)
        finally:
            left = self._clean()
        if left:
            self.doubts.append(f"left behind: {left}")
        return Guarantees(
            honoured=tuple(one for one in ALL if self.verdicts.get(one) is True),
            ignored=tuple(one for one in ALL if self.verdicts.get(one) is False),
            why="; ".join(dict.fromkeys(self.doubts)),
            asked=asked,
            versioned=self.versioned,
        )

    # --- the trials -------------------------------------------------------------------------------------------------------

    def _can_write(self) -> bool:
        try:
            self._put("a", b"1", IfNoneMatch="*", Tagging="probe=1")
        except IncidentError as error:
            self._doubt(error)  # perhaps it is only the condition or the tag that the server does not know
            try:
                self._put("a", b"1")
            except IncidentError:
                return False
            self.verdicts["put-if-absent"] = False
        return True

    def _conditions(self) -> None:
        etag = self._etag("a")
        if self.verdicts.get("put-if-absent") is None:
            self._judge("put-if-absent", lambda: self._put("a", b"2", IfNoneMatch="*"))
        etag = self._etag("a") or etag
        self._judge("put-if-match", lambda: self._put("a", b"3", IfMatch=_OTHER), lambda: self._put("a", b"4", IfMatch=etag))
        etag = self._etag("a")
        self._judge(
            "copy-source-match",
            lambda: self._copy("a", "b", CopySourceIfMatch=_OTHER),
            lambda: self._copy("a", "b", CopySourceIfMatch=etag),
        )
        self._judge("copy-if-absent", lambda: self._copy("a", "b", IfNoneMatch="*"), lambda: self._copy("a", "c", IfNoneMatch="*"))
        there = self._etag("b")
        self._judge("copy-if-match", lambda: self._copy("a", "b", IfMatch=_OTHER), lambda: self._copy("a", "b", IfMatch=there))
        self._tags()
        self._judge("complete-if-absent", lambda: self._upload("a", IfNoneMatch="*"), lambda: self._upload("d", IfNoneMatch="*"))
        etag = self._etag("a")
        self._judge("complete-if-match", lambda: self._upload("a", IfMatch=_OTHER), lambda: self._upload("a", IfMatch=etag))
        self._deletes()
        if self.versioned:
            self._order()

    def _tags(self) -> None:
        def carried() -> bool:
            with translated(self._place("c")):
                found = self.store._reads.get_object_tagging(Bucket=self.bucket, Key=self.prefix + "c")  # noqa: SLF001
            return [one["Key"] for one in found["TagSet"]] == ["probe"]

        def tag() -> None:
            self._put("a", b"4", Tagging="probe=1")
            self._copy("a", "c", TaggingDirective="COPY", MetadataDirective="COPY")

        try:
            tag()
            self.verdicts["tags-copied"] = carried()
        except IncidentError as error:
            self._doubt(error)

    def _deletes(self) -> None:
        self._put("a", b"5")
        etag = self._etag("a")
        self._judge("conditional-delete", lambda: self._delete("a", _OTHER), lambda: self._delete("a", etag), key="a")
        self._put("a", b"6")
        etag = self._etag("a")
        markers: list[str | None] = []
        self._judge(
            "conditional-batch-delete",
            lambda: self._batch("a", _OTHER),
            lambda: markers.append(self._batch("a", etag)),
            key="a",
        )
        if self.versioned and markers:
            self.verdicts["marker-ids"] = bool(markers[0])

    def _order(self) -> None:
        """A write, a deletion and a write, as fast as we can: does the listing say in which order?"""
        try:
            made: list[str | None] = []
            for data in (b"1", b"2"):
                made += [self._put("e", data), self._delete("e", self._etag("e"))]
            found = self._history("e")
        except IncidentError as error:
            self._doubt(error)
            return
        listed = [version.version_id for version in found.versions] if found is not None else []
        self.verdicts["listing-order"] = found is not None and found.ordered and listed == made[::-1]

    def _judge(
        self, guarantee: Guarantee, wrong: Callable[[], object], right: Callable[[], object] | None = None, key: str = ""
    ) -> None:
        """Send what must be refused, and then what must not. ``key``: must be as it was after the first."""
        try:
            before = self._etag(key) if key else ""
            try:
                wrong()
            except PreconditionFailed:
                refused = True
            else:
                refused = False
            if refused and key:
                refused = self._etag(key) == before
            if refused and right is not None:
                right()
        except IncidentError as error:
            self._doubt(error)
            return
        self.verdicts[guarantee] = refused

    def _doubt(self, error: IncidentError) -> None:
        if isinstance(error, StorageUnreachable) or (isinstance(error, CredentialsMissing) and error.code != "denied"):
            raise error
        self.doubts.append(error.message)

    # --- requests ---------------------------------------------------------------------------------------------------------

    def _place(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{name}"

    def _put(self, name: str, data: bytes, **said: Any) -> str | None:
        with translated(self._place(name)):
            answer = unthrottled(
                lambda: self.store._effects.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data, **said)  # noqa: SLF001
            )
        return answer.get("VersionId")

    def _etag(self, name: str) -> str:
        """That of the current object; empty where there is none."""
        try:
            with translated(self._place(name)):
                return self.store._reads.head_object(Bucket=self.bucket, Key=self.prefix + name)["ETag"]  # noqa: SLF001
        except ObjectMissing:
            return ""

    def _copy(self, source: str, to: str, **said: Any) -> None:
        with translated(self._place(to)):
            unthrottled(
                lambda: self.store._effects.copy_object(  # noqa: SLF001
                    Bucket=self.bucket,
                    Key=self.prefix + to,
                    CopySource={"Bucket": self.bucket, "Key": self.prefix + source},
                    **{"MetadataDirective": "REPLACE", "Metadata": {"probe": to}, **said},
                )
            )

    def _upload(self, name: str, **said: Any) -> None:
        effects, key = self.store._effects, self.prefix + name  # noqa: SLF001
        with translated(self._place(name)):
            upload_id = unthrottled(lambda: effects.create_multipart_upload(Bucket=self.bucket, Key=key))["UploadId"]
            self.uploads.append(Upload(self.bucket, key, upload_id))
            part = effects.upload_part(Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=b"7")
            parts: Any = [{"PartNumber": 1, "ETag": part["ETag"]}]
            unthrottled(
                lambda: effects.complete_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **said
                )
            )

    def _delete(self, name: str, etag: str) -> str | None:
        return self.store.delete_object(self.bucket, self.prefix + name, if_match=etag)

    def _batch(self, name: str, etag: str) -> str | None:
        [marked] = self.store.put_markers(self.bucket, {self.prefix + name: etag})
        if marked.error == "PreconditionFailed":
            raise PreconditionFailed(f"{self._place(name)} is no longer what it was; nothing was changed", "run it again")
        if marked.error:
            raise StorageError(f"{self._place(name)}: {marked.error}", "incident doctor")
        return marked.marker

    def _history(self, name: str) -> KeyHistory | None:
        return self.store.history(self.bucket, self.prefix + name)

    # --- afterwards -------------------------------------------------------------------------------------------------------

    def _clean(self) -> str:
        """Remove all that we made, versions and markers too; what could not be, in words."""
        try:
            for upload in self.uploads:
                self.store.abort_upload(upload)
            for history in list(self.store.histories(self.bucket, self.prefix)):
                for version in history.versions:
                    self._remove(history.key, version.version_id)
            left = [history.key for history in self.store.histories(self.bucket, self.prefix)]
        except IncidentError as error:
            return f"s3://{self.bucket}/{self.prefix} ({error.message})"
        return f"s3://{self.bucket}/{left[0]}" if left else ""

    def _remove(self, key: str, version_id: str) -> None:
        """By its version id, which names nothing but what we made; null versions too, for the prefix is nobody's but ours."""
        with translated(f"s3://{self.bucket}/{key}"):
            unthrottled(lambda: self.store._effects.delete_object(Bucket=self.bucket, Key=key, VersionId=version_id))  # noqa: SLF001


def probe(store: S3Store, state: BucketState, prefix: str, asked: int) -> Guarantees:
    """What the server of this bucket honours, as tried out under ``prefix``, which ends at a ``/``. ``asked`` in ns UTC.

    Raises StorageUnreachable, CredentialsMissing where our credentials are no good at all.
    """
    versioned = state.versioning == "Enabled"
    if why := unsafe(state, prefix):
        return Guarantees(why=why, asked=asked, versioned=versioned)
    return Trial(store, state.bucket, f"{prefix}probe/{secrets.token_hex(8)}/", versioned).run(asked)
