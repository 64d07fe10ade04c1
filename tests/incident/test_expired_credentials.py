"""Credentials that expire half-way: the apply ends with exit code 4, and resume goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from incident.errors import CREDENTIALS, CredentialsMissing
from incident.storage.port import Marked, Told
from incident.storage.s3_codes import client_error
from runbooks.survey import ObjectVersion
from tests.recovery_world import BUCKET, MS, Interfere, World, cell, reached

DAYS = [cell(f"dt=2026-11-{day}") for day in (1, 2, 3)]
KEYS = [f"clean/orders/dt=2026-11-{day}/{name}" for day in (1, 2, 3) for name in "ab"]


class Expiring(Interfere):
    """Credentials that are good for so many requests with an effect."""

    left = 2

    def _spend(self) -> None:
        if self.left == 0:
            raise client_error({"Error": {"Code": "ExpiredToken", "Message": "it expired"}}, f"s3://{BUCKET}", "DeleteObjects")
        self.left -= 1

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        self._spend()
        return super().put_markers(bucket, etags)

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        self._spend()
        return super().copy_version(source, bucket, over=over, told=told)


@pytest.mark.parametrize("phase", ["purge", "revert"])
def test_what_was_done_stays_and_resume_does_the_rest(tmp_path: Path, phase: str) -> None:
    world = World(tmp_path)
    for key in KEYS:
        world.store.put(BUCKET, key, b"good")
    since = world.store.tick(1_000 * MS)
    world.store.tick()
    for key in KEYS:
        world.store.put(BUCKET, key, b"bad")
    make: Callable[..., Any] = world.purge if phase == "purge" else world.revert
    plan = make(*(reached(day, since=since, serving=phase == "revert") for day in DAYS))
    assert len(plan.actions) == len(KEYS)
    with pytest.raises(CredentialsMissing) as caught:
        world.apply(plan, Expiring(world.store, lambda: None))
    assert (caught.value.exit_code, caught.value.code) == (CREDENTIALS, "credentials-expired")
    assert "incident resume" in caught.value.hint
    done = world.go_on(plan)
    assert (done.done, done.failed, done.drifted, done.unknown) == (len(KEYS), 0, 0, 0)
    assert set(world.contents().values()) == (set() if phase == "purge" else {b"good"})
    depths = {len(versions) for versions in world.listing().values()}
    assert depths == {3}, "nothing was done twice"
