"""Where what is set aside goes: a quarantine that nothing cleans up by the way, and that no dataset has in it.

In buckets it is ``[policy] quarantine``. Local files go there as well when it is a local folder; else into ``.incident-quarantine``
beside the dataset, on the same file system, so that a file is moved there in one step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from incident.aside_actions import AsideActions
from incident.bucket_watch import Recall
from incident.config import Config
from incident.errors import BucketMissing, UsageError
from incident.outputs import place
from incident.storage import open_reader, open_store
from incident.storage.port import ObjectStore
from incident.surveys import Surveyor, place_of_url
from lineage.attempts import Cell
from lineage.declarations import Declarations
from runbooks.actions import AsideAction
from runbooks.aside import versionless
from runbooks.facts import KEPT_DAYS, Keeping, Place
from runbooks.plan import Plan, Refusal
from runbooks.survey import LOCAL, BucketState, CellSurvey, Target
from runbooks.targets import Location, inside, location

NAME = ".incident-quarantine/"
_SET = 'set [policy] quarantine = "s3://BUCKET/PREFIX/" in incident.toml'


def keepings(
    config: Config, surveys: Mapping[Cell, CellSurvey | Refusal], places: Iterable[Place]
) -> dict[Cell, Keeping | Refusal]:
    """For each surveyed cell without versions where its objects can go, or why nowhere. Read-only."""
    known = tuple(places)
    found: dict[Cell, Keeping | Refusal] = {}
    for cell, survey in surveys.items():
        if isinstance(survey, CellSurvey) and versionless(survey):
            found[cell] = keeping(config, cell, survey.target, survey.bucket, known)
    return found


def keepings_now(
    config: Config, target: Plan, states: Iterable[BucketState], places: Callable[[], tuple[Place, ...]]
) -> dict[str, Keeping | Refusal]:
    """The same for the cells of an applied plan that is to be taken back. ``places`` is only asked where objects must go."""
    done = {stretch.cell: stretch.op for stretch in target.stretches if stretch.op in {"set-aside", "bring-back"}}
    known = places() if "bring-back" in {stretch.op for stretch in target.stretches} else ()
    by_bucket = {state.bucket: state for state in states}
    found: dict[str, Keeping | Refusal] = {}
    for cell in target.cells:
        if str(cell) in done:
            bucket, prefix = place(cell.url)
            found[str(cell)] = keeping(config, cell.cell, Target(bucket, prefix), by_bucket[bucket], known)
    return found


def keeping(config: Config, cell: Cell, target: Target, state: BucketState, places: tuple[Place, ...]) -> Keeping | Refusal:
    """Where the objects of one cell can go, and what can be relied upon there."""
    if target.bucket == LOCAL:
        return _beside(config, cell, target, places)
    where = place_of_url(config.policy.quarantine) if config.policy.quarantine else None
    if where is None or where.bucket == LOCAL:
        why = f"{target.bucket} keeps no versions of what is there: it has to go to a quarantine first; {_SET}"
        return Refusal(str(cell), why, "no-quarantine")
    if (clash := _clash(str(cell), where, target, places)) is not None:
        return clash
    try:
        same = open_store(config, where.bucket, where.prefix) is open_store(config, target.bucket, target.prefix)
        there = open_reader(config, where.bucket, where.prefix).state(where.bucket)
    except UsageError as error:
        return Refusal(str(cell), f"the quarantine cannot be reached: {error.message}; {error.hint}", "no-quarantine")
    except BucketMissing as error:
        return Refusal(str(cell), f"the quarantine cannot be reached: {error.message}", "no-quarantine")
    if not same or there.server != state.server:
        why = f"the quarantine s3://{where.bucket}/{where.prefix} is not reached as {target.bucket} is: other endpoint or profile"
        return Refusal(str(cell), why, "other-server")
    return replace(_relying(f"s3://{where.bucket}/{where.prefix}", state), expires=_expires(there, where.prefix))


def _expires(there: BucketState, prefix: str) -> str:
    """Why copies in the quarantine's bucket might not last as long as an incident does; empty when nothing speaks against it."""
    url = f"the quarantine s3://{there.bucket}/{prefix}"
    if not there.lifecycle_known:
        return f"the lifecycle rules of {url} may not be read, so they might expire the copies"
    found = [one.days for one in there.expirations if one.prefix.startswith(prefix) or prefix.startswith(one.prefix)]
    if found and min(found) < KEPT_DAYS:
        return f"a lifecycle rule expires what lies in {url} after {min(found)} days, less than {KEPT_DAYS}"
    return ""


def _relying(to: str, state: BucketState) -> Keeping:
    """Where versions are kept a deletion only covers, and what it should not have covered is uncovered again."""
    exact = state.versioning == "Enabled" or "conditional-delete" in state.guarantees
    absent = "copy-if-absent" in state.guarantees or "put-if-absent" in state.guarantees
    lacking = [] if exact else ["that a deletion takes only what was planned"]
    lacking += [] if absent else ["that nothing is written over when objects come back"]
    why = f"{state.bucket} is not known to make sure {' nor '.join(lacking)} ({state.guarantees.fact})" if lacking else ""
    return Keeping(to, exact, absent, why)


def trouble(config: Config, url: str) -> str:
    """What is wrong with the quarantine that is set, as far as that can be told without a dataset; empty when nothing is.

    Raises UsageError, StorageError and CredentialsMissing where it cannot be reached.
    """
    where = place_of_url(url)
    if where is None or not where.prefix:
        return f"{url} is no place with a prefix of its own"
    if where.bucket != LOCAL:
        return _expires(open_reader(config, where.bucket, where.prefix).state(where.bucket), where.prefix)
    ground = _existing(Path(f"/{where.prefix}"))
    return "" if os.access(ground, os.W_OK | os.X_OK) else f"{ground} cannot be written"


# --- local ---------------------------------------------------------------------------------------------------------------


def _beside(config: Config, cell: Cell, target: Target, places: tuple[Place, ...]) -> Keeping | Refusal:
    set_one = place_of_url(config.policy.quarantine) if config.policy.quarantine else None
    if set_one is not None and set_one.bucket == LOCAL:
        where = set_one
    else:
        root = location(cell.dataset, config.declarations)
        if isinstance(root, Refusal):
            return root
        where = _outside(root, places)
    if (clash := _clash(str(cell), where, target, places)) is not None:
        return clash
    path = f"/{where.prefix}"
    if os.path.realpath(path) != path.rstrip("/"):
        why = f"the quarantine {path} goes through a symbolic link; name it as it is: file://{os.path.realpath(path)}/"
        return Refusal(str(cell), why, "no-quarantine")
    ground = _existing(Path(path))
    if not os.access(ground, os.W_OK | os.X_OK):
        why = f'{ground} cannot be written, so that there is no quarantine; set [policy] quarantine = "file:///FOLDER/"'
        return Refusal(str(cell), why, "no-quarantine")
    same = ground.stat().st_dev == _existing(Path(f"/{target.prefix}")).stat().st_dev
    why = "" if same else f"the quarantine {path} is on another file system, so that nothing can be moved there in one step"
    return Keeping(f"file://{path}", exact=same, why=why)


def _outside(dataset: Location, places: tuple[Place, ...]) -> Location:
    """The nearest folder above a dataset that is in no dataset: what reads a dataset must not read its quarantine."""
    folder = dataset.prefix
    while True:
        folder = folder.rstrip("/").rpartition("/")[0]
        folder = f"{folder}/" if folder else ""
        where = Location(LOCAL, folder + NAME)
        roots = [Target(one.bucket, one.prefix) for one in places if one.dataset is not None]
        if not folder or not any(inside(root, LOCAL, where.prefix) for root in roots):
            return where


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


# --- both ----------------------------------------------------------------------------------------------------------------


def _clash(cell: str, where: Location, target: Target, places: tuple[Place, ...]) -> Refusal | None:
    quarantine = Target(where.bucket, where.prefix)
    if not where.prefix:
        return Refusal(cell, f"the quarantine {quarantine.url} has no prefix of its own; {_SET}", "no-quarantine")
    if inside(quarantine, target.bucket, target.prefix) or inside(target, where.bucket, where.prefix):
        return Refusal(cell, f"the quarantine {quarantine.url} and {target.url} lie in each other", "keep-out")
    for one in places:
        if one.dataset is not None and inside(Target(one.bucket, one.prefix), where.bucket, where.prefix):
            why = f"the quarantine {quarantine.url} lies in {one.what}, whose readers would find it; {_SET} elsewhere"
            return Refusal(cell, why, "no-quarantine")
    return None


# --- kept copies ---------------------------------------------------------------------------------------------------------


def surveyed_copies(looking: Surveyor, cells: Iterable[Cell]) -> dict[Cell, CellSurvey | Refusal]:
    """The kept copies of these cells, where one is declared (``copy``): they have the layout of the dataset itself."""
    rules = looking.declarations
    wanted = [cell for cell in cells if rules.dataset(cell.dataset).copy is not None]
    if not wanted:
        return {}
    elsewhere = [
        replace(rules.dataset(cell.dataset), match=str(cell.dataset).translate(_LITERAL), location=rules.dataset(cell.dataset).copy)
        for cell in wanted
    ]
    # Nothing is done to the copies, so that nothing is tried out where they lie.
    there = replace(
        looking, declarations=Declarations(datasets=tuple(elsewhere), skew=rules.skew), deleting=False, assure=None, warnings=[]
    )
    return there.survey(wanted, lambda: None)


_LITERAL = {ord("["): "[[]", ord("*"): "[*]", ord("?"): "[?]"}


# --- doing ---------------------------------------------------------------------------------------------------------------


def aside_actions(config: Config, plan: Plan, clock: Callable[[], int], recall: Recall | None = None) -> AsideActions:
    """What performs a plan's actions on places without versions."""
    places = {str(cell): place(cell.url) for cell in plan.cells if cell.url.startswith(("s3://", LOCAL))}

    def store(action: AsideAction) -> ObjectStore:
        # As the cell was surveyed: a key may be covered by a narrower [[storage]] entry.
        _, prefix = places.get(action.cell, (action.bucket, action.key))
        return open_store(config, action.bucket, prefix)

    return AsideActions(plan, lambda bucket, prefix: open_reader(config, bucket, prefix), store, clock, recall=recall)
