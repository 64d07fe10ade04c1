"""What Airflow's own database knows: which task produces and consumes which asset, and the history of its runs.

``airflow+https://HOST[:PORT][/PATH][?namespace=NS][&dag=GLOB]…[&since=TIME]``, with credentials in the environment
(``airflow_api``). ``dag`` limits it to DAGs of those names (and adds those without assets); else every DAG with an asset is read.
``since`` leaves out task instances that have not changed since.

*Merging with OpenLineage events.* A try's run id is computed exactly as the OpenLineage provider computes it (from namespace, DAG,
task, try, map index and logical date), and its job is the provider's, ``DAG.TASK`` in the namespace. So when both sources are read,
a try is one run: the events of both unite, the database's start and end lie around the provider's, and nothing is counted twice.
That holds only when ``namespace`` is the provider's (``[openlineage] namespace``; ``default`` in both places unless set): otherwise
every try appears twice, as two jobs. A DAG run itself is no attempt here: it reads and writes nothing.

*What it cannot say.* The edges are those of the DAGs as they are now, also for older runs. A task with outlets but no inlets, of a
DAG that is scheduled on assets, is *inferred* to read those assets: Airflow says so of the DAG, not of the task, so it may spread
taint and never convicts. ``airflow dags test`` replaces the run of its date: only the last one is in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import parse_qs, urlsplit

from lineage.datasets import JobId
from lineage.errors import SourceUnreadable
from lineage.events import Event
from lineage.sources import Problems, Remote, Skipped
from lineage.sources.airflow_api import Absent, Api
from lineage.sources.airflow_runs import Edges, Runs, objects, said
from lineage.sources.uris import reference
from lineage.timestamps import parse, render

_FORM = "write airflow+http://HOST:PORT, and for example ?namespace=prod&dag=orders_*"


@dataclass(frozen=True, slots=True)
class _Place:
    """What a source's words mean."""

    base: str
    namespace: str
    dags: tuple[str, ...]
    since: str | None

    def wants(self, dag: str) -> bool:
        return not self.dags or any(fnmatchcase(dag, pattern) for pattern in self.dags)


def read(source: str, problems: Problems, *, remote: Remote | None, progress: Callable[[str], None]) -> Iterator[Event]:
    """Static events for the edges, then the tries of every task instance. Raises SourceUnreadable; read-only."""
    del remote
    place = _place(source)
    api = Api(source, place.base)
    progress(f"{place.base} assets")
    try:
        edges = _edges(api, place, problems)
    except Absent as error:
        raise SourceUnreadable(
            f"lineage source {source}: {error} is not there", "check the address; API v2 needs Airflow 3 or later"
        ) from None
    dags = edges.dags
    if place.dags:
        items, _ = api.listing("dags", key="dags", parameters={"exclude_stale": "false", "order_by": "dag_id"})
        named = {item["dag_id"] for item in items if isinstance(item.get("dag_id"), str)}
        dags = {dag for dag in dags | named if place.wants(dag)}
        if not dags:
            raise SourceUnreadable(f"{place.base}: no DAG matches {', '.join(place.dags)}", "check ?dag=, a glob over DAG ids")
    for dag in sorted(edges.triggers):
        yield Event(0, "OTHER", None, JobId(place.namespace, dag), inputs=tuple(edges.triggers[dag]), said_by="airflow")
    for dag, task in sorted({*edges.inlets, *edges.outlets}):
        inputs, outputs = edges.of(dag, task)
        yield Event(0, "OTHER", None, JobId(place.namespace, f"{dag}.{task}"), inputs, outputs, said_by="airflow")
    for dag in sorted(dags):
        progress(f"{place.base} {dag}")
        try:
            yield from Runs(api, place.namespace, dag, edges, place.since, problems).events()
        except Absent as error:
            problems.skipped.append(Skipped(place.base, 0, f"DAG {dag}: {error} is not there"))


def _place(source: str) -> _Place:
    try:
        parts = urlsplit(source.partition("+")[2])
    except ValueError:
        raise SourceUnreadable("a lineage source airflow+http… is not an address", _FORM) from None
    query = parse_qs(parts.query)
    if not query.keys() <= {"namespace", "dag", "since"} or len(query.get("namespace", [])) > 1:
        raise SourceUnreadable(f"lineage source at {parts.hostname}: ?{parts.query} is not understood", _FORM)
    since = query.get("since", [None])[-1]
    try:
        since = None if since is None else render(parse(since))
    except (ValueError, OverflowError):
        raise SourceUnreadable(
            f"lineage source at {parts.hostname}: since={since} is not a time", "write since=2026-11-18"
        ) from None
    base = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
    return _Place(base, query.get("namespace", ["default"])[0], tuple(query.get("dag", [])), since)


def _edges(api: Api, place: _Place, problems: Problems) -> Edges:
    edges = Edges()
    items, complete = api.listing("assets", key="assets", parameters={"order_by": "id"})
    if not complete:
        problems.noted.append(Skipped(place.base, 0, "the assets changed while they were read; some may be missing"))
    for item in items:
        try:
            found = reference(said(item, "uri") or "", place.namespace)
        except ValueError:
            found = None
        if found is None:
            problems.skipped.append(Skipped(place.base, 0, f"an asset without a usable URI: {str(item.get('uri'))[:80]!r}"))
            continue
        for key, into in (("consuming_tasks", edges.inlets), ("producing_tasks", edges.outlets)):
            for one in objects(item.get(key)):
                dag, task = one.get("dag_id"), one.get("task_id")
                if isinstance(dag, str) and isinstance(task, str) and place.wants(dag):
                    into[dag, task].append(found)
        for one in objects(item.get("scheduled_dags")):
            dag = one.get("dag_id")
            if isinstance(dag, str) and place.wants(dag):
                edges.triggers[dag].append(found)
    return edges
