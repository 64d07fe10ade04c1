"""The lake's pipeline as a command: ``python -m incident.demo.lake --lake lake.json``, then one of

``build``, ``run JOB PARTITION START END`` (what the demo's ``[[orchestrator]]`` calls), ``deploy JOB VERSION`` and ``audit``.
Every run appends its lineage events, and a run that lacks an input fails.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

from incident.demo.jobs import JOBS, SCHEDULE
from incident.demo.settings import BAD, BAD_FIRST, BAD_LAST, GOOD, REGION, Settings, days
from incident.demo.store import Missing, Store
from incident.demo.work import MILLISECOND, SECOND, Run, Work


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m incident.demo.lake", description="The pipeline of incident demo's lake.")
    parser.add_argument("--lake", type=Path, required=True, help="the lake's settings, lake.json")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="make four weeks, day by day")
    run = verbs.add_parser("run", help="run one job for one nominal interval")
    run.add_argument("job", help="for example demo/enrich")
    run.add_argument("partition", help="for example dt=2026-11-15, or * for an unpartitioned dataset")
    run.add_argument("start", help="first day, or a time on it")
    run.add_argument("end", help="the day after the last")
    deploy = verbs.add_parser("deploy", help="choose the code version that runs of a job use from now on")
    deploy.add_argument("job")
    deploy.add_argument("version")
    verbs.add_parser("audit", help="compare every figure with the raw orders, and list all versions, as JSON")
    asked = parser.parse_args(arguments)
    settings = Settings.load(asked.lake)
    try:
        match asked.verb:
            case "build":
                from incident.storage.s3 import create_versioned_bucket

                create_versioned_bucket(settings.endpoint, REGION, settings.bucket)
                runs = build(settings)
                print(f"{runs} runs over {len(days(settings.first, settings.last))} days")  # noqa: T201 - a program of its own
            case "run":
                first, after = (_day(text, parser) for text in (asked.start, asked.end))
                run_job(Store(settings), _job(asked.job, parser), first, after)
            case "deploy":
                settings.deploy(_job(asked.job, parser), asked.version)
            case "audit":
                from incident.demo.audit import audit, versions  # not with every run: a backfill starts dozens

                findings = [asdict(finding) for finding in audit(Store(settings))]
                print(json.dumps({"findings": findings, "versions": versions(settings)}))  # noqa: T201 - see above
    except Missing as missing:
        print(f"lake: {missing}", file=sys.stderr)  # noqa: T201 - see above
        return 1
    return 0


def run_job(store: Store, name: str, start: date, end: date, version: str | None = None, *, tick: int = MILLISECOND) -> None:
    """Run one job for [start, end) and tell of it. Raises Missing when an input is not there."""
    job, settings = JOBS[name], store.settings
    used = version or (settings.deployed(name) if name == "enrich" else "2.0.0")
    work = Work(settings, store, name, start, end, used, job.naming)
    with Run(work, tick):
        job.act(work)


def build(settings: Settings) -> int:
    """Make the lake day by day, with the faulty release on its three days. Returns the number of runs."""
    store, runs = Store(settings), 0
    uncertain = {job.name for job in SCHEDULE if job.serving} if settings.whole_seconds else set()
    for number, day in enumerate(days(settings.first, settings.last)):
        for job in SCHEDULE:
            if not job.due(day, number):
                continue
            broken = job.name == "enrich" and BAD_FIRST <= day <= BAD_LAST
            version = BAD if broken else None
            # Four weeks pass in seconds here. Where times are cut to seconds, nobody could say which version of what is served was
            # the last before the bad ones, unless the first run that may write a bad one begins with a second of its own.
            apart = day >= BAD_FIRST and job.name in uncertain
            run_job(store, job.name, day, day + timedelta(days=1), version, tick=SECOND if apart else MILLISECOND)
            uncertain -= {job.name} if apart else set()
            runs += 1
    settings.deploy("enrich", GOOD)
    return runs


def _job(text: str, parser: argparse.ArgumentParser) -> str:
    name = text.rpartition("/")[2]
    if name not in JOBS:
        parser.error(f"no job {text!r}; there are {', '.join(JOBS)}")
    return name


def _day(text: str, parser: argparse.ArgumentParser) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        parser.error(f"not a day: {text!r}")


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is written. Taking pyarrow's threads down as an interpreter ends may abort a job that is done ("terminate called …").
    os._exit(code)
