"""A pointer that lives in a local file: compared and swapped by exchanging two files in one step.

Our file is written beside the pointer, named after the plan and after itself, and exchanged with it. What was under the name is
then ours to look at: where it is not what was planned, the two are exchanged back, and nothing was lost. The other file stays until
the journal knows what we made, so that a resume always finds out how far we came. Writers that put whole files in place by renaming
are safe; one that keeps writing into an open file may write into the one that was taken away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from incident import files
from incident.errors import PreconditionFailed, StorageError
from incident.journal import Outcome
from incident.pointers.exchange import UNABLE, exchange
from incident.pointers.port import Codec, PointerUnreadable
from incident.storage.local import Stamp
from runbooks.plan import SwapPointer
from runbooks.survey import BucketState, PointerVersion

LARGEST = 4 << 20
_ABSENT = "absent"
_REWRITTEN = "it was written again while the plan was applied; that stays current"


class LocalPointer:
    """One pointer in one file. ``url`` as the configuration writes it."""

    def __init__(self, path: Path, codec: Codec, url: str) -> None:
        self._path, self._codec, self._url = path, codec, url

    # --- reading ----------------------------------------------------------------------------------------------------------

    def now(self) -> PointerVersion:
        found = self._read(self._path)
        if found is None:
            return PointerVersion(None, _ABSENT, "", 0)
        stamp, data = found
        try:
            value, beside = self._codec.value(data), self._codec.beside(data)
        except PointerUnreadable as error:
            raise PointerUnreadable(f"{self._url} cannot be read: {error.message}", error.hint) from error
        etag = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return PointerVersion(
            value, stamp.version_id, etag, stamp.written, beside, "" if value is None else self._codec.plain(value)
        )

    def past(self, until: int, more: int = 5) -> tuple[Sequence[PointerVersion], bool]:
        del until, more
        return (), True

    def spelled(self, text: str, like: str | None) -> str:
        return self._codec.spelled(text, like)

    def plain(self, value: str) -> str:
        return self._codec.plain(value)

    def where(self, value: str) -> tuple[str, ...]:
        del value
        return ()

    def others(self) -> Sequence[str]:
        return ()

    def bucket(self) -> BucketState | None:
        return None

    def degraded(self) -> str:
        return ""

    def _read(self, path: Path) -> tuple[Stamp, bytes] | None:
        """A file's stamp and bytes, of one moment; None where there is none. A symbolic link is no file of ours to swap."""
        for _ in range(5):
            try:
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise PointerUnreadable(f"{path} cannot be read: {error.strerror or error}") from error
            with os.fdopen(handle, "rb") as file:
                before = os.fstat(handle)
                if not stat.S_ISREG(before.st_mode) or before.st_size > LARGEST:
                    raise PointerUnreadable(f"{path} is no small file: that is no pointer")
                data = file.read()
                if Stamp.of(os.fstat(handle)) == Stamp.of(before):
                    return Stamp.of(before), data
        raise PointerUnreadable(f"{path} is being written", "wait until it is whole, or stop its writer")

    def _stamp(self, path: Path) -> str:
        try:
            return Stamp.of(os.lstat(path)).version_id
        except FileNotFoundError:
            return _ABSENT

    # --- the swap ---------------------------------------------------------------------------------------------------------

    def swap(self, action: SwapPointer, mark: str) -> str:
        if self._stamp(self._path) != action.requires.version_id:
            raise PreconditionFailed(f"{self._url} is no longer what it was; nothing was changed", "plan again")
        with self._translated():
            try:
                return self._removed(mark) if action.new is None else self._written(action, action.new, mark)
            except (OSError, StorageError):
                self._tidy(mark)  # each of these comes before anything was exchanged
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = f"{self._url} cannot be written: {error.strerror or error}"
            raise StorageError(why, "make room or permission there") from error

    def _written(self, action: SwapPointer, value: str, mark: str) -> str:
        found = self._read(self._path)
        aside, ours = self._beside(self._codec.written(None if found is None else found[1], value), mark)
        if action.requires.is_marker:
            try:
                os.link(aside, self._path)
            except FileExistsError as error:
                raise PreconditionFailed(f"{self._url} was made by somebody else; nothing was changed", "plan again") from error
        else:
            self._exchanged(aside, action)
        return ours

    def _exchanged(self, aside: Path, action: SwapPointer) -> None:
        try:
            exchange(aside, self._path)
        except FileNotFoundError as error:
            raise PreconditionFailed(f"{self._url} is gone; nothing was changed", "plan again") from error
        except OSError as error:
            if error.errno not in UNABLE:
                raise
            if not action.writers_stopped:
                raise StorageError(
                    f"{self._url}: this file system cannot exchange two files in one step",
                    "stop its writers, and plan again with --writers-stopped",
                ) from error
            aside.replace(self._path)

    def _removed(self, mark: str) -> str:
        aside = self._path.with_name(f"{self._stem(mark)}{_ABSENT}")
        try:
            self._path.rename(aside)
        except FileNotFoundError as error:
            raise PreconditionFailed(f"{self._url} is gone already", "plan again") from error
        return _ABSENT

    def verify(self, action: SwapPointer, mark: str, made: str) -> Outcome:
        with self._translated():
            files.sync(self._path.parent)
            found = self._concluded(action, mark, made)
        return found if found is not None else Outcome("failed", None, "it is as it was")

    def settle(self, action: SwapPointer, mark: str, made: str | None) -> Outcome | None:
        with self._translated():
            if (aside := self._aside(mark)) is not None:
                return self._concluded(action, mark, aside.name.removeprefix(self._stem(mark)))
        now = self._stamp(self._path)
        if made is not None and now == made:
            return Outcome("done", made)
        return None if now == action.requires.version_id else Outcome("drifted", None, _REWRITTEN)

    def _concluded(self, action: SwapPointer, mark: str, ours: str) -> Outcome | None:
        """Where ours is, and what was taken in exchange; what was not planned goes back. None: there was no effect."""
        aside, planned, now = self._aside(mark), action.requires.version_id, self._stamp(self._path)
        taken = _ABSENT if aside is None else self._stamp(aside)
        if now == ours and aside is not None and taken not in {planned, ours, _ABSENT}:
            self._put_back(aside, ours)
            return Outcome("drifted", None, _REWRITTEN)
        self._tidy(mark)  # ours that was never put in place, or what was planned to be taken, or what somebody wrote over since
        if now == ours:
            return Outcome("done", ours)
        return None if now == planned else Outcome("drifted", None, _REWRITTEN)

    def _put_back(self, aside: Path, ours: str) -> None:
        """Somebody wrote just before us: theirs becomes current again, unless somebody wrote since."""
        if ours == _ABSENT:
            with contextlib.suppress(FileExistsError):
                os.link(aside, self._path)
        else:
            with contextlib.suppress(FileNotFoundError):  # somebody removed ours, and that is the newest
                exchange(aside, self._path)
                if self._stamp(aside) != ours:  # a third one wrote in between, and is the newest
                    exchange(aside, self._path)
        files.sync(self._path.parent)
        aside.unlink(missing_ok=True)

    # --- our file beside it -----------------------------------------------------------------------------------------------

    def _stem(self, mark: str) -> str:
        return f".{self._path.name}.{hashlib.sha256(mark.encode()).hexdigest()[:16]}.incident-"

    def _beside(self, data: bytes, mark: str) -> tuple[Path, str]:
        """Our file, durable, named after the plan's action and after itself."""
        mode: int | None = None
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(self._path.stat().st_mode)
        draft = self._path.with_name(f".{self._path.name}.{hashlib.sha256(mark.encode()).hexdigest()[:16]}.draft")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.fchmod(handle, mode)
            os.fsync(handle)
            ours = Stamp.of(os.fstat(handle)).version_id
        aside = self._path.with_name(f"{self._stem(mark)}{ours}")
        draft.rename(aside)
        files.sync(self._path.parent)
        return aside, ours

    def _aside(self, mark: str) -> Path | None:
        stem = self._stem(mark)
        with os.scandir(self._path.parent) as entries:
            return next((Path(entry.path) for entry in entries if entry.name.startswith(stem)), None)

    def _tidy(self, mark: str) -> None:
        while (aside := self._aside(mark)) is not None:
            aside.unlink(missing_ok=True)
