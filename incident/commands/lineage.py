"""lineage ingest, show and gaps: an index of the lineage, what it says, what it cannot, and the configuration that it suggests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident.context import Context
from incident.errors import UsageError
from incident.lineage_problems import problems, skipped
from incident.report import Report, printable
from incident.sources import named_sources, nothing_configured, read_history, read_told
from lineage.timestamps import SECOND, render

if TYPE_CHECKING:
    from lineage.blast_radius import Gap
    from lineage.datasets import DatasetId, JobId
    from lineage.history import History


def lineage_ingest(context: Context, to: str | None = None, *, anew: bool = False) -> Report:
    """Bring an event index up to the sources. Interrupted, it leaves the former index, and goes on from where it was next time."""
    from incident.event_index import SCHEME, home_index, index_at, named_index
    from incident.sources import Buckets
    from lineage.index.update import update

    sources = named_sources(context, None)
    if not sources:
        raise nothing_configured()
    if (place := named_index(sources)) is not None:
        raise UsageError(f"{SCHEME}{place} is an index already", "name the sources that it is made from with --lineage")
    files = home_index(context, sources) if to is None else index_at(context, to)
    began = context.now()
    with context.progress("ingest") as progress:
        done = update(files, sources, remote=Buckets(context), progress=lambda _: progress.advance(1), anew=anew)
    data = {
        "events": done.events,
        "new_events": done.new_events,
        "skipped": skipped(done),
        "seconds": (context.now() - began) / SECOND,
        "place": files.place,
        "generation": done.generation,
    }
    text = f"{done.new_events:,} new events; the index {files.place} holds what {done.events:,} told."
    following = "incident blast --job NAMESPACE/NAME" + (f" --lineage {SCHEME}{to}" if to is not None else "")
    return Report(data, printable(text), problems(done), [following])


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


def lineage_gaps(context: Context, *, suggest: bool = False) -> Report:
    """What the lineage cannot tell and what to do about it; with ``suggest``, configuration to paste."""
    from lineage.gaps import gaps

    if suggest:
        return _suggested(context)
    history = read_history(context)
    found = gaps(history)
    data = {"gaps": list(map(_gap_json, found)), "skipped": skipped(history)}
    lines = [f"{gap.subject}: {gap.reason}\n    → {gap.advice}" if gap.advice else f"{gap.subject}: {gap.reason}" for gap in found]
    following = ["incident lineage gaps --suggest", "incident lineage show NAME"]
    return Report(data, printable("\n".join(lines) or "No gaps."), problems(history), following)


def _suggested(context: Context) -> Report:
    """On the screen nothing but TOML, so that it can go into a file."""
    from lineage.gaps import gaps
    from lineage.suggest import suggest
    from lineage.suggest_toml import toml

    told = read_told(context)
    learned = suggest(told.events, context.config.declarations)
    text = toml(learned, [name for name in learned.buckets if context.config.storage_for(name) is not None])
    data = {
        "gaps": list(map(_gap_json, gaps(told.history))),
        "suggestions": [one.to_json() for one in learned.suggestions],
        "buckets": learned.buckets,
        "toml": text,
        "skipped": skipped(told.history),
    }
    return Report(data, text, problems(told.history))


def _gap_json(gap: Gap) -> dict[str, Any]:
    return {gap.kind: str(gap.subject), "reason": gap.reason, "advice": gap.advice}


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
        "said_by": {str(one): sorted(said) for (of, one), said in sorted(history.said_by.items()) if of == job},
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
    edges = [("Reads: ", one) for one in sorted(history.job_reads.get(job, ()))]
    edges += [("Writes:", one) for one in sorted(history.job_writes.get(job, ()))]
    lines += [f"{word} {one} ({_sayers(history, job, one)})" for word, one in edges]
    for one in attempts[-5:]:
        span = f"{render(one.start) or 'start unknown'} to {render(one.end) or 'not ended'}"
        lines.append(f"Run {one.run_id} attempt {one.number}: {one.state}, {span}")
        lines += [f"    read  {read.cell} ({read.how})" for read in one.reads]
        lines += [f"    wrote {write.cell} ({write.mode.value}, {write.how})" for write in one.writes]
    return Report(data, printable("\n".join(lines)), problems(history), [f"incident blast --job {job}"])


def _sayers(history: History, job: JobId, dataset: DatasetId) -> str:
    """Which kinds of sources told of an edge."""
    return f"said by {', '.join(sorted(history.said_by.get((job, dataset), ()))) or 'nobody'}"


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
        "said_by": {str(job): sorted(said) for (job, of), said in sorted(history.said_by.items()) if of == dataset},
        "partitions": sorted(str(one) for one in written),
        "serving": history.serving(dataset),
        "owners": list(history.owned_by(dataset)),
        "merges": merges,
    }
    lines = [f"Dataset {dataset}{'  SERVING' if data['serving'] else ''}", *(f"Also known as {one}" for one in merges)]
    lines += [f"Written by {job} ({_sayers(history, job, dataset)})" for job in graph.writers(dataset)]
    lines += [f"Read by    {job} ({_sayers(history, job, dataset)})" for job in graph.readers(dataset)]
    lines.append(f"Partitions written: {partitions_in_words(written) or 'none'}")
    if data["owners"]:
        lines.append(f"Owners: {', '.join(data['owners'])}")
    return Report(data, printable("\n".join(lines)), problems(history), [f"incident blast --cell {dataset}@PARTITION"])
