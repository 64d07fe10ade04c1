"""A company's runs as OpenLineage events, of the size and shape that Spark, Airflow and dbt send: 2 to 6 KB with all facets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

import orjson

from tests.bench.company_oddities import odd_facets, oddly

if TYPE_CHECKING:
    from tests.bench.company import Company, Job, Run, Table

_SPEC = "https://openlineage.io/spec/facets"
_PRODUCERS = {
    "spark": "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/spark",
    "airflow": "https://github.com/apache/airflow/tree/providers-openlineage/2.20.3",
    "dbt": "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/dbt",
}
_TYPES = ("string", "long", "timestamp", "double", "struct", "decimal(18,2)", "date", "boolean")


class Producer:
    """Renders runs. What a job or table says of itself each time is rendered once."""

    def __init__(self, company: Company, *, full: bool) -> None:
        self._company = company
        self._full = full
        self._tables: dict[tuple[int, int, bool], Any] = {}
        self._jobs: dict[int, Any] = {}

    def events(self, runs: Iterable[Run]) -> Iterator[dict[str, Any]]:
        """All events of these runs, in the order of their times."""
        told: list[tuple[datetime, int, Run]] = []
        for number, run in enumerate(runs):
            told.append((run.start, 2 * number, run))
            if run.end is not None:
                told.append((run.end, 2 * number + 1, run))
        events = (self._event(run, run.state if number % 2 else "START", at) for at, number, run in sorted(told, key=_moment))
        yield from oddly(events, self._company.seed) if self._company.odd else events

    def _event(self, run: Run, kind: str, at: datetime) -> dict[str, Any]:
        job = self._company.jobs[run.job]
        producer = _PRODUCERS[job.producer]
        done = kind != "START"
        inputs = [self._dataset(job, table, parts, "input") for table, parts in self._company.read_by(run)]
        outputs = [self._dataset(job, table, parts, "output", done=done) for table, parts in self._company.written_by(run)]
        return {
            "eventTime": _stamp(at, job.producer),
            "eventType": kind,
            "run": {"runId": run.run_id, "facets": self._run_facets(run, job, producer)},
            "job": {"namespace": job.namespace, "name": job.name, "facets": self._job_facets(job, producer)},
            "inputs": inputs,
            "outputs": outputs,
            "producer": producer,
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }

    # --- datasets --------------------------------------------------------------------------------------------------------

    def _dataset(self, job: Job, table: Table, parts: list[str], side: str, *, done: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = {
            "namespace": table.namespace,
            "name": table.name,
            "facets": self._table_facets(table, side, job, done=done),
        }
        own: dict[str, Any] = {}
        if parts and job.naming == "suffix" and len(parts) == 1:
            found["name"] = f"{table.name}/{parts[0]}"
        elif parts and job.naming in {"dimensions", "locations", "suffix"}:
            own["subset"] = {f"{side}Condition": _condition(job.naming, table, parts)}
        if self._full and done:
            rows = 1000 + (len(parts) * 7919 + table.index * 104_729) % 5_000_000
            own["outputStatistics"] = {
                **_facet(job, "1-0-2/OutputStatisticsOutputDatasetFacet"),
                "rowCount": rows,
                "size": rows * 211,
            }
        if own or self._full:
            found[f"{side}Facets"] = own
        return found

    def _table_facets(self, table: Table, side: str, job: Job, *, done: bool) -> Any:
        if not self._full:
            return odd_facets(job, table, side) if self._company.odd else {}
        key = table.index, job.index, done
        if (found := self._tables.get(key)) is None:
            facets: dict[str, Any] = {"schema": {**_facet(job, "1-1-1/SchemaDatasetFacet"), "fields": _fields(table)}}
            if side == "output":
                name = table.namespace
                facets["dataSource"] = {**_facet(job, "1-0-1/DatasourceDatasetFacet"), "name": name, "uri": name}
            if done and side == "output":
                facets["columnLineage"] = {**_facet(job, "1-2-0/ColumnLineageDatasetFacet"), "fields": self._columns(job, table)}
            found = self._tables[key] = orjson.Fragment(orjson.dumps(facets))
        return found

    def _columns(self, job: Job, table: Table) -> dict[str, Any]:
        """Where the first columns come from; whole column lineage would be the larger part of an event."""
        if not job.reads:
            return {}
        source = self._company.tables[job.reads[0].table]
        change = [{"type": "DIRECT", "subtype": "IDENTITY", "description": "", "masking": False}]
        return {
            f"column_{number}": {
                "inputFields": [
                    {"namespace": source.namespace, "name": source.name, "field": f"column_{number}", "transformations": change}
                ]
            }
            for number in range(min(2, table.columns, source.columns))
        }

    # --- jobs and runs ---------------------------------------------------------------------------------------------------

    def _job_facets(self, job: Job, producer: str) -> Any:
        if (found := self._jobs.get(job.index)) is None:
            facets: dict[str, Any] = {"ownership": {"owners": [{"name": f"team-{job.index % 40}", "type": "MAINTAINER"}]}}
            if self._full:
                kind = {"airflow": "TASK", "spark": "SQL_JOB", "dbt": "MODEL"}[job.producer]
                facets["jobType"] = {
                    **_facet(job, "2-0-3/JobTypeJobFacet"),
                    "processingType": "BATCH",
                    "integration": job.producer.upper(),
                    "jobType": kind,
                }
                reads = ", ".join(self._company.tables[one.table].name for one in job.reads) or "landing"
                query = f"INSERT OVERWRITE TABLE {job.name}\nSELECT *\nFROM {reads}\nWHERE \"dt\" = '${{dt}}'"
                facets["sql"] = {**_facet(job, "1-0-1/SQLJobFacet"), "query": query}
                facets["sourceCodeLocation"] = {
                    **_facet(job, "1-0-1/SourceCodeLocationJobFacet"),
                    "type": "git",
                    "url": f"https://git.example.com/data/{job.name}",
                    "version": uuid.UUID(int=job.index * 2**64 + 7).hex,
                }
                facets["ownership"] |= _facet(job, "1-0-1/OwnershipJobFacet")
            found = orjson.Fragment(orjson.dumps(facets)) if self._full else facets
            self._jobs[job.index] = found
        del producer
        return found

    def _run_facets(self, run: Run, job: Job, producer: str) -> dict[str, Any]:
        facets: dict[str, Any] = {}
        if job.naming != "nothing":
            nominal = f"{run.period:%Y-%m-%dT%H:%M:%SZ}"
            facets["nominalTime"] = {"nominalStartTime": nominal, "nominalEndTime": nominal}
        if job.naming == "key":
            key = f"{run.period:%Y-%m-%dT%H}" if job.hourly else f"{run.period:%Y-%m-%d}"
            facets["airflow"] = {"dagRun": {"partition_key": key}}
        if not self._full:
            return facets
        if "nominalTime" in facets:
            facets["nominalTime"] |= _facet(job, "1-0-1/NominalTimeRunFacet")
        if job.producer == "airflow":
            told = _airflow(run, job)
            told["dagRun"] |= facets.get("airflow", {}).get("dagRun", {})
            facets["airflow"] = told
        parent = str(uuid.UUID(int=crc32(job.name.partition(".")[0].encode()) * 2**64 + run.period.toordinal()))
        facets["parent"] = {
            **_facet(job, "1-1-0/ParentRunFacet"),
            "run": {"runId": parent},
            "job": {"namespace": job.namespace, "name": job.name.partition(".")[0]},
        }
        facets["processing_engine"] = {
            **_facet(job, "1-1-1/ProcessingEngineRunFacet"),
            "version": "3.5.4",
            "name": job.producer,
            "openlineageAdapterVersion": "1.54.0",
        }
        if job.producer == "spark":
            facets["spark_properties"] = {
                "_producer": producer,
                "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet",
                "properties": {
                    "spark.master": "yarn",
                    "spark.app.name": job.name,
                    "spark.app.id": f"application_{run.run_id[:13]}",
                },
            }
        return facets


def _moment(told: tuple[datetime, int, Run]) -> tuple[datetime, int]:
    return told[:2]


def _facet(job: Job, schema: str) -> dict[str, str]:
    name = schema.partition("/")[2]
    return {"_producer": _PRODUCERS[job.producer], "_schemaURL": f"{_SPEC}/{schema}.json#/$defs/{name}"}


def _condition(naming: str, table: Table, parts: list[str]) -> dict[str, Any]:
    if naming == "locations":
        return {"type": "location", "locations": [f"{table.namespace}/{table.name}/{part}" for part in parts]}
    split = ([pair.split("=") for pair in part.split("/")] for part in parts)
    return {"type": "partition", "partitions": [{"dimensions": dict(pairs)} for pairs in split]}


def _fields(table: Table) -> list[dict[str, str]]:
    kinds = len(_TYPES)
    return [{"name": f"column_{number}", "type": _TYPES[(number + table.index) % kinds]} for number in range(table.columns)]


def _stamp(at: datetime, producer: str) -> str:
    """As the producer writes its times: Spark to the millisecond with Z, Airflow to the microsecond with an offset."""
    text = at.replace(tzinfo=None).isoformat(timespec="milliseconds" if producer == "spark" else "microseconds")
    return text + ("+00:00" if producer == "airflow" else "Z")


def _airflow(run: Run, job: Job) -> dict[str, Any]:
    ends = run.period + timedelta(hours=1 if job.hourly else 24)
    dag, task = job.name.partition(".")[::2]
    return {
        "_producer": _PRODUCERS["airflow"],
        "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet",
        "dag": {
            "dag_id": dag,
            "fileloc": f"/srv/airflow/dags/{dag}.py",
            "owner": "airflow",
            "owner_links": {},
            "start_date": "2026-01-01T00:00:00+00:00",
            "tags": "[]",
            "timetable": {"expression": "0 * * * *" if job.hourly else "0 0 * * *", "interval": 0.0, "timezone": "UTC"},
        },
        "dagRun": {
            "conf": {},
            "dag_id": dag,
            "data_interval_start": run.period.isoformat(),
            "data_interval_end": ends.isoformat(),
            "logical_date": run.period.isoformat(),
            "run_id": f"scheduled__{run.period.isoformat()}",
            "run_type": "scheduled",
            "start_date": run.start.isoformat(),
        },
        "task": {
            "depends_on_past": False,
            "downstream_task_ids": "[]",
            "executor_config": {},
            "inlets": "[]",
            "outlets": "[]",
            "mapped": False,
            "operator_class": "SparkSubmitOperator",
            "operator_class_path": "airflow.providers.apache.spark.operators.spark_submit.SparkSubmitOperator",
            "owner": "airflow",
            "priority_weight": 1,
            "queue": "default",
            "retries": 3,
            "task_id": task,
            "trigger_rule": "all_success",
            "upstream_task_ids": "[]",
        },
        "taskInstance": {"try_number": 1},
        "taskUuid": run.run_id,
    }
