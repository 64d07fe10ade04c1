"""declare, scope, blast and lineage: what is tainted, since when, through whom, and what we cannot know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident.context import Context
from incident.errors import UsageError
from incident.fault_options import FaultOptions
from incident.radius import Fresh, fault_of, keep
from incident.report import Problem, Report, printable
from incident.sources import absolute, read_history
from lineage.fault import Fault
from lineage.timestamps import BEFORE, render

if TYPE_CHECKING:
    from rich.console import RenderableType

    from incident.home import IncidentFolder
    from lineage.blast_radius import BlastRadius, ReachedCell
    from lineage.history import History

_SHOWN = 20
"""How many unusable lines are shown one by one."""


def _fault(options: FaultOptions) -> Fault:
    chosen = {key: getattr(options, key) for key in Fault.__dataclass_fields__}
    return Fault(**chosen)


def declare(context: Context, title: str, fault: FaultOptions) -> Report:
    """Open an incident. Without a choice of fault it is not known yet; scope sets it later."""
    from lineage.blast import blast

    chosen = _fault(fault)
    if not chosen:
        folder = context.use(context.home.create(title, context.now()))
        folder.timeline.append("declared", title, evidence={"fault": None, "revision": None, **_sources(context)})
        text = f"Opened {folder.id}. Its fault is not known yet."
        data: dict[str, Any] = {"id": folder.id, "title": folder.title, "revision": None, "fault": None}
        return Report(data, text, next=["incident scope --job NAMESPACE/NAME", "incident note TEXT"], incident=folder.id)
    history = read_history(context)
    blast(history, chosen)  # an incident is opened only for a fault that chooses something
    folder = context.use(context.home.create(title, context.now()))
    fresh = keep(folder, chosen, history)
    folder.timeline.append("declared", title, evidence={**_evidence(fresh.radius, chosen), **_sources(context)})
    return _opened(folder, fresh, f"Opened {folder.id}.")


def scope(context: Context, fault: FaultOptions) -> Report:
    """Set or revise the incident's fault: a new revision of the radius, with what changed."""
    chosen = _fault(fault)
    if not chosen:
        raise UsageError("scope needs a choice of fault", "incident scope --job NAMESPACE/NAME --nominal A..B")
    folder = context.folder()
    if not folder.is_open:
        raise UsageError(f"{folder.id} is closed", 'incident declare "TITLE"')
    fresh = keep(folder, chosen, read_history(context, folder))
    words = fresh.radius.fault["words"]
    folder.timeline.append("scoped", f"Fault: {words}", evidence={**_evidence(fresh.radius, chosen), **_sources(context)})
    return _opened(folder, fresh, f"{folder.id}, radius {fresh.radius.revision}.")


def blast(context: Context, fault: FaultOptions, why: str | None = None) -> Report:
    """What is tainted, since when, through whom, and what we cannot know. Read-only; works without an incident."""
    from lineage import blast as engine

    chosen = _fault(fault)
    if chosen:
        folder = None
        history = read_history(context)
        fresh = Fresh(engine.blast(history, chosen), history)
    else:
        folder = context.folder()
        chosen = fault_of(folder)
        if not chosen:
            raise UsageError(f"The fault of {folder.id} is not known yet", "incident scope --job NAMESPACE/NAME", code="no-fault")
        fresh = keep(folder, chosen, read_history(context, folder))
    explained = _explain(fresh.history, fresh.radius, why) if why else None
    data = {**fresh.radius.to_json(), "difference": list(fresh.difference), "skipped": _skipped(fresh.history)}
    if explained is not None:
        data["why"] = [_cell_json(fresh.radius, one) for one in explained]
    following = ["incident revert", "incident purge"] if folder else ['incident declare "TITLE" with the same choice, to act on it']
    return Report(
        data,
        lambda: _why_screen(explained) if explained is not None else _screen(fresh),
        _problems(fresh.history),
        following if fresh.radius.dirty() else ["incident verify"] if folder else [],
        incident=folder.id if folder else None,
    )


def lineage_show(context: Context, name: str) -> Report:
    """What the lineage says of a job or a dataset: who reads and writes it, its partitions, its other names."""
    from lineage.errors import FaultError, LineageError
    from lineage.fault import find_job, parse_cell

    history = read_history(context)
    try:
        job = find_job(history, name)
    except FaultError as error:
        try:
            dataset = parse_cell(history, f"{name.partition('@')[0]}@*").dataset
        except LineageError:
            raise error from None
        return _show_dataset(history, dataset)
    return _show_job(history, job)


def lineage_gaps(context: Context) -> Report:
    """What the lineage cannot tell: unknown partitions, missing inputs, data without a writer or a reader."""
    from lineage.gaps import gaps

    history = read_history(context)
    found = gaps(history)
    data = {"gaps": [{gap.kind: str(gap.subject), "reason": gap.reason} for gap in found], "skipped": _skipped(history)}
    lines = [f"{gap.subject}: {gap.reason}" for gap in found]
    return Report(data, printable("\n".join(lines) or "No gaps."), _problems(history), ["incident lineage show NAME"])


# --- shared ---------------------------------------------------------------------------------------------------------------


def _sources(context: Context) -> dict[str, Any]:
    """The sources, where they were named by hand, so that later commands read the same."""
    return {"lineage": list(absolute(context.lineage_override))} if context.lineage_override else {}


def _evidence(radius: BlastRadius, fault: Fault) -> dict[str, Any]:
    since = min((cell.since for cell in radius.cells), default=None)
    return {
        "fault": fault.to_json(),
        "words": radius.fault["words"],
        "matched": radius.fault["matched"],
        "revision": radius.revision,
        "bad_since": render(since) if since is not None and since > BEFORE else None,
        "summary": radius.summary(),
    }


def _opened(folder: IncidentFolder, fresh: Fresh, heading: str) -> Report:
    radius = fresh.radius
    data = {
        "id": folder.id,
        "title": folder.title,
        "revision": radius.revision,
        "fault": radius.fault,
        "summary": radius.summary(),
        "difference": list(fresh.difference),
    }

    def screen() -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        return Group(Text(heading), Text(), _screen(fresh))

    return Report(data, screen, _problems(fresh.history), ["incident blast", "incident revert"], incident=folder.id)


def _screen(fresh: Fresh) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from incident.radius_tree import radius_tree

    changed = [Text(f"Since the last revision: {printable(line)}", style="dim") for line in fresh.difference[:_SHOWN]]
    if len(fresh.difference) > _SHOWN:
        changed.append(Text(f"… and {len(fresh.difference) - _SHOWN} changes more (--json lists all)", style="dim"))
    return Group(radius_tree(fresh.radius), *changed)


def _skipped(history: History) -> list[dict[str, Any]]:
    lines = [*history.problems.skipped, *history.problems.noted]
    return [{"source": one.source, "line": one.line, "reason": one.reason} for one in lines]


def _problems(history: History) -> list[Problem]:
    skipped = history.problems.skipped
    problems = [Problem("skipped", f"{one.source}:{one.line}: {one.reason}") for one in skipped[:_SHOWN]]
    if skipped:
        more = f" (the first {_SHOWN} are shown; --json lists all)" if len(skipped) > _SHOWN else ""
        summary = f"{len(skipped)} lines could not be used, {history.events} events were{more}"
        problems.append(Problem("skipped", summary, "incident lineage gaps"))
    return problems


def _explain(history: History, radius: BlastRadius, text: str) -> list[ReachedCell]:
    from lineage.fault import parse_cell
    from lineage.partitions import overlap

    cell = parse_cell(history, text)
    return [one for one in radius.cells if one.cell.dataset == cell.dataset and overlap(one.cell.partition, cell.partition)]


def _cell_json(radius: BlastRadius, cell: ReachedCell) -> dict[str, Any]:
    found: dict[str, Any] = radius.to_json()["cells"][radius.cells.index(cell)]
    return found


def _why_screen(cells: list[ReachedCell]) -> str:
    if not cells:
        return "CLEAN: nothing that the fault reached wrote it."
    lines = []
    for one in cells:
        lines.append(f"{one.cell} is {one.state}, since {render(one.since) or 'the beginning'}")
        lines += [
            f"  {number}. {hop.job} run {hop.run_id} attempt {hop.attempt} wrote {hop.cell} ({hop.how})"
            for number, hop in enumerate(one.path, 1)
        ]
        if one.reason:
            lines.append(f"  Not certain because {one.reason}.")
    return printable("\n".join(lines))


def _show_job(history: History, job: Any) -> Report:
    attempts = [one for one in history.attempts if one.kind == "run" and job in (one.job, *one.aliases)]
    reads = sorted(str(one) for one in history.job_reads.get(job, ()))
    writes = sorted(str(one) for one in history.job_writes.get(job, ()))
    states = {state: sum(one.state == state for one in attempts) for state in ("COMPLETE", "FAIL", "ABORT", "OPEN")}
    versions = sorted({one.code_version for one in attempts if one.code_version})
    data = {
        "job": job._asdict(),
        "reads": reads,
        "writes": writes,
        "attempts": [
            {
                "run_id": one.run_id,
                "attempt": one.number,
                "state": one.state,
                "start": render(one.start),
                "end": render(one.end),
                "reads": [str(read.cell) for read in one.reads],
                "writes": [str(write.cell) for write in one.writes],
                "code_version": one.code_version,
            }
            for one in attempts
        ],
    }
    counts = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    lines = [f"Job {job}", f"Attempts: {len(attempts)} ({counts or 'none'})"]
    if versions:
        lines.append(f"Code versions: {', '.join(versions)}")
    lines += [f"Reads:  {one}" for one in reads] + [f"Writes: {one}" for one in writes]
    for one in attempts[-5:]:
        span = f"{render(one.start) or 'start unknown'} to {render(one.end) or 'not ended'}"
        lines.append(f"Run {one.run_id} attempt {one.number}: {one.state}, {span}")
        lines += [f"    read  {read.cell} ({read.how})" for read in one.reads]
        lines += [f"    wrote {write.cell} ({write.mode.value}, {write.how})" for write in one.writes]
    return Report(data, printable("\n".join(lines)), _problems(history), [f"incident blast --job {job}"])


def _show_dataset(history: History, dataset: Any) -> Report:
    from lineage.graph import DependencyGraph
    from lineage.partition_ranges import partitions_in_words

    graph = DependencyGraph(history)
    written = {write.cell.partition for one in history.attempts for write in one.writes if write.cell.dataset == dataset}
    names = sorted(str(one) for one in history.identities.names(dataset))
    merges = [f"{one.left} = {one.right} ({one.evidence})" for one in history.identities.merges if str(one.left) in names]
    data = {
        "dataset": dataset._asdict(),
        "names": names,
        "writers": [str(job) for job in graph.writers(dataset)],
        "readers": [str(job) for job in graph.readers(dataset)],
        "partitions": sorted(str(one) for one in written),
        "serving": history.serving(dataset),
        "owners": list(history.owned_by(dataset)),
        "merges": merges,
    }
    lines = [f"Dataset {dataset}{'  SERVING' if data['serving'] else ''}", *(f"Also known as {one}" for one in merges)]
    lines += [f"Written by {job}" for job in data["writers"]] + [f"Read by    {job}" for job in data["readers"]]
    lines.append(f"Partitions written: {partitions_in_words(written) or 'none'}")
    if data["owners"]:
        lines.append(f"Owners: {', '.join(data['owners'])}")
    return Report(data, printable("\n".join(lines)), _problems(history), [f"incident blast --cell {dataset}@PARTITION"])
