"""A dbt ``target/`` folder: ``manifest.json`` for what is made from what, ``run_results.json`` for what ran when.

``dbt:TARGET[?namespace=NAMESPACE&jobs=NAMESPACE&results=GLOB]``, where TARGET is the folder or the manifest itself. Every file
beside the manifest that is named like ``*run_results*.json`` is a run; ``results`` names more, relative to the folder. Without any
there are only static edges. Runs are read with the edges of this manifest: a project that changed is several sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qs

from lineage.errors import SourceUnreadable
from lineage.events import Event, Unusable, decode
from lineage.sources import Problems, Remote, Skipped
from lineage.sources.dbt_manifest import Manifest, Producer
from lineage.sources.dbt_runs import Invocation, invocation
from lineage.timestamps import parse

Files = Mapping[str, Callable[[], bytes]]


def read(source: str, problems: Problems, *, remote: Remote | None, progress: Callable[[str], None]) -> Iterator[Event]:
    """Every edge of the manifest, then every run, oldest first. Raises SourceUnreadable; read-only."""
    place, options = _options(source)
    if place.startswith("s3://"):
        manifest_name, files = _remote_files(source, place, options.get("results"), remote)
    else:
        manifest_name, files = _local_files(source, place, options.get("results"))
    progress(manifest_name)
    manifest = _manifest(manifest_name, files, options)
    producers = {one.unique_id: one for one in manifest.producers()}
    runs = []
    for name, opener in files.items():
        if name != manifest_name:
            progress(name)
            if (found := invocation(name, opener, problems)) is not None:
                runs.append(found)
    problems.noted.extend(Skipped(manifest_name, 0, note) for note in dict.fromkeys(manifest.notes))
    runs.sort(key=lambda one: one.ended)
    yield from _static(manifest, producers, runs)
    for number, run in enumerate(runs):
        yield from run.events(producers, runs[:number], problems)


def _manifest(name: str, files: Files, options: Mapping[str, str]) -> Manifest:
    try:
        raw = decode(files[name]())
    except (OSError, Unusable) as error:
        raise SourceUnreadable(f"{name} cannot be read as a dbt manifest: {error}", "run dbt parse to write it again") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("nodes"), dict):
        raise SourceUnreadable(f"{name} is not a dbt manifest: it has no nodes", "run dbt parse to write it again")
    return Manifest(raw, namespace=options.get("namespace"), jobs=options.get("jobs", "dbt"))


def _static(manifest: Manifest, producers: dict[str, Producer], runs: Sequence[Invocation]) -> Iterator[Event]:
    """The edges, under each name that the job ran by; under that of the last command when it did not run."""
    try:
        time = parse(manifest.generated_at)
    except (ValueError, OverflowError):
        time = 0
    last = runs[-1].command if runs else None
    for producer in producers.values():
        commands = {run.command for run in runs if run.ran(producer.unique_id) is not None} or {last}
        for job in sorted({producer.job(command) for command in commands}):
            yield Event(time, "OTHER", None, job, producer.inputs, (producer.output,), said_by="dbt")
    for reference in manifest.served():
        yield Event(time, "OTHER", None, None, outputs=(reference,), said_by="dbt")


def _options(source: str) -> tuple[str, dict[str, str]]:
    place, _, query = source.partition(":")[2].partition("?")
    options = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
    if unknown := sorted(options.keys() - {"namespace", "jobs", "results"}):
        raise SourceUnreadable(f"lineage source {source}: no option {unknown[0]!r}", "the options are namespace, jobs and results")
    return place, {key: value for key, value in options.items() if value}


def _local_files(source: str, place: str, results: str | None) -> tuple[str, Files]:
    """The manifest's name, and it with the run results by name."""
    path = Path(place or ".").expanduser()
    folder, manifest = (path, path / "manifest.json") if path.is_dir() else (path.parent, path)
    if not manifest.is_file():
        raise SourceUnreadable(
            f"lineage source {source}: there is no {manifest}", "run dbt there first, and name its target folder: dbt:target/"
        )
    found = {one for one in folder.glob("*run_results*.json") if one.is_file()}
    if results is not None:
        try:
            more = {one for one in folder.glob(results) if one.is_file()}
        except (ValueError, NotImplementedError):
            more = set()
        if not more:
            raise SourceUnreadable(
                f"lineage source {source}: no file below {folder} matches {results}", "results is a glob relative to the manifest"
            )
        found |= more
    return str(manifest), {str(one): one.read_bytes for one in (manifest, *sorted(found))}


def _remote_files(source: str, place: str, results: str | None, remote: Remote | None) -> tuple[str, Files]:
    if remote is None:
        raise SourceUnreadable(
            f"lineage source {source} needs a storage", "add a [[storage]] entry for its bucket to incident.toml"
        )
    manifest = place if place.endswith(".json") else f"{place.rstrip('/')}/manifest.json"
    folder = manifest.rpartition("/")[0] + "/"
    below = {name: name.removeprefix(folder) for name in remote.names(folder)}
    if manifest not in below:
        raise SourceUnreadable(f"lineage source {source}: there is no {manifest}", "check the bucket and prefix")
    names = [
        name
        for name, short in sorted(below.items())
        if ("/" not in short and fnmatchcase(short, "*run_results*.json")) or (results is not None and fnmatchcase(short, results))
    ]

    def opener(name: str) -> Callable[[], bytes]:
        def whole() -> bytes:
            with remote.open(name) as stream:
                return stream.read()

        return whole

    return manifest, {name: opener(name) for name in (manifest, *names)}
