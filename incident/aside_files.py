"""Setting local files aside and bringing them back.

A file is taken by one ``rename``, which takes whatever bears the name at that moment and leaves nothing behind that could be lost.
Only then is it looked at: what is not the planned file goes back under its name by ``link``, which fails if something newer has it
by then. So a writer beside us never loses a byte; at worst its file is away while we look at it. The same holds after a crash: what
was taken and not settled lies under a name that only we give, and is settled before anything else.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import threading

from incident.errors import StorageError
from incident.journal import Outcome
from incident.storage.local import Stamp, Unfit
from incident.storage.local_moves import can_link, copied, failure, fingerprint, folder, look, name_too, names
from runbooks.actions import AsideAction, BringBack, SetAside
from runbooks.aside import kept_at, object_place
from runbooks.survey import LOCAL

_WRITTEN = "it was written again since the plan; that stays"
_DELETED = "it was deleted since the plan"


class AsideFiles:
    """Does the actions of one plan on local files. ``incident`` and ``plan_id`` name the place in quarantine."""

    def __init__(self, incident: str, plan_id: str) -> None:
        self._incident, self._plan_id = incident, plan_id
        self._touched: set[str] = set()
        self._linking: dict[int, bool] = {}
        self._lock = threading.Lock()

    # --- set aside --------------------------------------------------------------------------------------------------------

    def keep(self, action: AsideAction) -> str:
        """A file is moved into quarantine whole: no copy has to be there before."""
        del action
        return ""

    def settled(self, action: AsideAction, made: str | None) -> Outcome | None:
        """What came of an earlier try that ended we do not know how; None when it changed nothing."""
        del made
        try:
            return self._settle(action) if isinstance(action, SetAside) else self._settle_bringing(action)
        except OSError as error:
            raise failure(action.key, error) from error

    def do(self, action: AsideAction, made: str) -> Outcome:
        """Raises StorageError where the file system refuses; nothing is half done that ``settled`` does not settle."""
        del made
        try:
            return self._set_aside(action) if isinstance(action, SetAside) else self._bring_back(action)
        except OSError as error:
            raise failure(action.key, error) from error

    def sync(self) -> None:
        """Make every name that was given or taken away durable; before any outcome is written down."""
        with self._lock:
            touched, self._touched = self._touched, set()
        for path in sorted(touched):
            with contextlib.suppress(FileNotFoundError), folder(path) as handle:
                os.fsync(handle)

    def changed(self, action: SetAside) -> str:
        """Why a file that was set aside is not what it was then; empty when it is.

        A program that had it open may write into it still. Then it gets its former name again, unless something has it.
        """
        kept = self._kept(action)
        place, _, name = kept.rpartition("/")
        try:
            with folder(place) as handle:
                found = look(handle, name)
                if found is None or (found.st_size, found.st_mtime_ns) == (action.size, _planned(action).written):
                    return ""
                back = self._name_back(handle, name, action.key)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise failure(kept, error) from error
        self.sync()
        also = "it has its name again" if back else f"it is /{kept}"
        return f"/{action.key} was written to after it was set aside: {also}"

    def _set_aside(self, action: SetAside) -> Outcome:
        where, _, name = action.key.rpartition("/")
        with contextlib.ExitStack() as stack:
            try:
                home = stack.enter_context(folder(where))
            except FileNotFoundError:
                return Outcome("drifted", None, _DELETED)
            shelf = stack.enter_context(folder(self._shelf(action), make=True))
            if not self._links(shelf):
                return Outcome("failed", None, "files here cannot have two names, so that nothing can be put back safely")
            found = look(home, name)
            if found is None:
                return Outcome("drifted", None, _DELETED)
            if not stat.S_ISREG(found.st_mode) or Stamp.of(found) != _planned(action):
                return Outcome("drifted", None, _WRITTEN)
            holder, taken = shelf, f"{_mark(action.key)}-{secrets.token_hex(8)}"
            if os.fstat(home).st_dev != os.fstat(shelf).st_dev:
                if not action.writers_stopped:
                    why = f"the quarantine {action.to} is on another file system; give --writers-stopped, or set another"
                    return Outcome("failed", None, why)
                holder, taken = home, f".{taken}"
            try:
                os.rename(name, taken, src_dir_fd=home, dst_dir_fd=holder)
            except FileNotFoundError:
                return Outcome("drifted", None, _DELETED)
            self._touch(where, self._shelf(action))
            return self._shelve(holder, taken, action)

    def _settle(self, action: SetAside) -> Outcome | None:
        where = action.key.rpartition("/")[0]
        outcome: Outcome | None = None
        for place, beginning in ((self._shelf(action), _mark(action.key)), (where, f".{_mark(action.key)}")):
            with contextlib.suppress(FileNotFoundError), folder(place) as handle:
                for taken in names(handle, f"{beginning}-"):
                    self._touch(place)
                    found = self._shelve(handle, taken, action)
                    outcome = found if outcome is None or found.status == "done" else outcome
        kept = self._kept(action)
        place, _, name = kept.rpartition("/")
        with contextlib.suppress(FileNotFoundError), folder(place) as handle:
            found_kept = fingerprint(handle, name)
            if found_kept is not None and found_kept[1] == action.requires.etag:
                return self._taken(action)
        return outcome

    def _shelve(self, handle: int, taken: str, action: SetAside) -> Outcome:
        """What was taken: into its place in quarantine if it is the planned file, else back under its name."""
        found = fingerprint(handle, taken)
        if found is None or found != (_planned(action), action.requires.etag):
            return self._return(handle, taken, action)
        kept = self._kept(action)
        place, _, name = kept.rpartition("/")
        with folder(place, make=True) as shelf:
            self._touch(place)
            across = os.fstat(handle).st_dev != os.fstat(shelf).st_dev
            new = self._copy(handle, taken, shelf, name, action) if across else name_too(handle, taken, shelf, name)
            there = found if new else fingerprint(shelf, name)
            if there is None or there[1] != action.requires.etag:
                self._return(handle, taken, action)
                return Outcome("failed", None, f"/{kept} is something else already; it was left alone")
        again = look(handle, taken)
        if across and (again is None or Stamp.of(again) != _planned(action)):
            # Whoever had it open wrote on: those bytes are only in what we hold, so that goes back.
            return self._return(handle, taken, action)
        os.unlink(taken, dir_fd=handle)
        return self._taken(action)

    def _taken(self, action: SetAside) -> Outcome:
        """It is in quarantine. What has its name by now was written since: the cell is not empty, so that this is not done."""
        where, _, name = action.key.rpartition("/")
        with contextlib.suppress(FileNotFoundError), folder(where) as home:
            if look(home, name) is not None:
                return Outcome("drifted", action.requires.etag, _WRITTEN)
        return Outcome("done", action.requires.etag)

    def _copy(self, handle: int, taken: str, shelf: int, name: str, action: SetAside) -> bool:
        """Across file systems: a copy under a name of its own, compared, and only then under its real name."""
        temporary = f".{_mark(action.key)}-{secrets.token_hex(8)}"
        try:
            etag, _ = copied(handle, taken, shelf, temporary)
            if etag != action.requires.etag:
                raise StorageError(f"/{action.key}: the copy in quarantine is not what it was copied from", "check the disk")
            return name_too(shelf, temporary, shelf, name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=shelf)

    def _return(self, handle: int, taken: str, action: SetAside) -> Outcome:
        if self._name_back(handle, taken, action.key):
            found = look(handle, taken)
            if found is not None:
                os.unlink(taken, dir_fd=handle)
            return Outcome("drifted", None, _WRITTEN)
        # Written again since we took it: the newer one stays, and what we took is kept under a name that nobody settles again.
        aside = f"newer-{taken.lstrip('.')}"
        with folder(self._shelf(action), make=True) as shelf:
            os.rename(taken, aside, src_dir_fd=handle, dst_dir_fd=shelf)
        return Outcome("drifted", None, f"{_WRITTEN}; one that it replaced is kept as /{self._shelf(action)}/{aside}")

    def _name_back(self, handle: int, taken: str, key: str) -> bool:
        """Whether the file that we hold has its former name again; false when something has it by now."""
        where, _, name = key.rpartition("/")
        with folder(where, make=True) as home:
            self._touch(where)
            found = look(handle, taken)
            if found is not None and stat.S_ISDIR(found.st_mode):
                try:  # it cannot have two names; a rename never replaces a file or a folder that holds something by a folder
                    os.rename(taken, name, src_dir_fd=handle, dst_dir_fd=home)
                except OSError as error:
                    if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                        return False
                    raise
                return True
            return name_too(handle, taken, home, name)

    # --- bring back -------------------------------------------------------------------------------------------------------

    def _bring_back(self, action: BringBack) -> Outcome:
        bucket, source = object_place(action.source)
        if bucket != LOCAL:
            raise Unfit(f"{action.source} is not a local file", "incident status")
        where, _, name = action.key.rpartition("/")
        place, _, kept = source.rpartition("/")
        with folder(where, make=True) as home:
            self._touch(where)
            if look(home, name) is not None:
                return Outcome("drifted", None, "something lies there again; that stays")
            if not self._links(home):
                return Outcome("failed", None, "files here cannot have two names, so that nothing can be brought back safely")
            temporary = f".{_mark(action.key + self._plan_id)}-{secrets.token_hex(8)}"
            try:
                with folder(place) as handle:
                    etag, size = copied(handle, kept, home, temporary)
                if (etag, size) != (action.source_etag, action.size):
                    return Outcome("failed", None, f"the kept copy is not what it was when the plan was made: {action.source}")
                if not name_too(home, temporary, home, name):
                    return Outcome("drifted", None, "it was written again while the plan was applied; that stays")
                made = look(home, temporary)
            except FileNotFoundError:
                return Outcome("failed", None, f"the kept copy is gone: {action.source}")
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=home)
            return Outcome("done", Stamp.of(made).version_id if made is not None else None)

    def _settle_bringing(self, action: BringBack) -> Outcome | None:
        where, _, name = action.key.rpartition("/")
        with contextlib.suppress(FileNotFoundError), folder(where) as home:
            for left in names(home, f".{_mark(action.key + self._plan_id)}-"):
                self._touch(where)
                os.unlink(left, dir_fd=home)  # a copy of ours; what it was copied from is kept
            found = fingerprint(home, name)
            if found is not None and found[1] == action.source_etag and found[0].size == action.size:
                return Outcome("done", found[0].version_id)
        return None

    # --- parts ------------------------------------------------------------------------------------------------------------

    def _kept(self, action: SetAside) -> str:
        return object_place(kept_at(action.to, self._incident, self._plan_id, action.bucket, action.key))[1]

    def _shelf(self, action: SetAside) -> str:
        """Where what was taken lies until it is settled: in the quarantine, whose file system it is usually on."""
        return f"{object_place(action.to)[1]}{self._incident}/{self._plan_id}.taking"

    def _links(self, handle: int) -> bool:
        device = os.fstat(handle).st_dev
        with self._lock:
            if device not in self._linking:
                self._linking[device] = can_link(handle)
            return self._linking[device]

    def _touch(self, *paths: str) -> None:
        with self._lock:
            self._touched.update(paths)


def _mark(key: str) -> str:
    """A name for what we hold of a key: of one length, whatever the key is."""
    return f"incident-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _planned(action: SetAside) -> Stamp:
    inode, _, written = action.requires.version_id.partition("-")
    return Stamp(int(inode, 16), int(written, 16), action.size)
