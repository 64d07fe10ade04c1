"""The Parquet schemas, and reading and writing tables in them. All that knows pyarrow's types is here."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import orjson

from lineage.datasets import DatasetId, JobId
from lineage.events import DatasetRef
from lineage.index.batch import KINDS, Head, Pair
from lineage.index.dimensions import Dimensions
from lineage.index.rows import STATES, Row

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Final = 2
"""Of the layout and of every schema here. Raised when an older reader would misread a newer index."""

TABLES: Final = ("jobs", "datasets", "references", "heads", "shapes", "edges", "dates")
ROW_GROUP: Final = 4096
"""Rows a row group: a question about a few jobs reads a few of them."""

_READ, _WRITE = 0, 1


@lru_cache(maxsize=1)
def attempts_schema() -> pa.Schema:
    import pyarrow as pa

    types = {
        "job": pa.int32(),
        "run": pa.string(),
        "number": pa.int32(),
        "start": pa.int64(),
        "end": pa.int64(),
        "state": pa.string(),
        "nominal_start": pa.int64(),
        "nominal_end": pa.int64(),
        "partition_key": pa.string(),
        "code_version": pa.string(),
        "shape": pa.int32(),
        "slots": pa.string(),
        "partitions": pa.string(),
        "times": pa.list_(pa.int64()),
        "odd": pa.string(),
        "run_crc": pa.uint32(),
    }
    return pa.schema(list(types.items()))


def attempts_table(rows: Sequence[Row]) -> pa.Table:
    """Rows as a table, in their order."""
    import pyarrow as pa

    schema = attempts_schema()
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table([pa.array(column, one.type) for column, one in zip(columns, schema, strict=True)], schema=schema)


def pairs_batch(pairs: Sequence[Pair]) -> pa.RecordBatch:
    """Attempts that a decoder saw whole: the columns of attempts that its numbers can tell, ``shape`` by its own."""
    import pyarrow as pa

    runs, starts, ends, shapes, nominals, keys, codes, slots, partitions, times = zip(*pairs, strict=True)
    columns = {
        "run": runs,
        "run_crc": list(map(crc32, map(str.encode, runs))),
        "start": starts,
        "end": ends,
        "shape": shapes,
        "nominal_start": [None if one is None else one[0] for one in nominals],
        "nominal_end": [None if one is None else one[1] for one in nominals],
        "partition_key": keys,
        "code_version": codes,
        "slots": slots,
        "partitions": partitions,
        "times": times,
    }
    schema = attempts_schema()
    return pa.record_batch({name: pa.array(values, schema.field(name).type) for name, values in columns.items()})


def pairs_table(batches: Sequence[pa.RecordBatch], shapes: Sequence[int], known: Dimensions) -> pa.Table:
    """The same as attempts; ``shapes``: the numbers here of those there, which mean the same in all of these batches."""
    import pyarrow as pa

    schema, pairs = attempts_schema(), pa.Table.from_batches(batches)
    shape, count = pairs["shape"], pairs.num_rows

    def of_shapes(name: str, values: list[Any]) -> pa.ChunkedArray:
        return pa.array(values, schema.field(name).type).take(shape)

    columns = {
        **{name: pairs[name] for name in pairs.schema.names},
        "job": of_shapes("job", [known.jobs_of(one)[0] for one in shapes]),
        "number": pa.repeat(pa.scalar(0, pa.int32()), count),
        "state": of_shapes("state", [STATES[KINDS[known.heads[known.shapes[one][-1]].kind]] for one in shapes]),
        "shape": of_shapes("shape", list(shapes)),
        "odd": pa.nulls(count, schema.field("odd").type),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def rows_in(table: pa.Table) -> list[Row]:
    """The rows of a table; None for columns that were not read."""
    there = set(table.column_names)
    columns = (table[name].to_pylist() if name in there else repeat(None, table.num_rows) for name in Row._fields)
    return list(map(Row, *columns)) if table.num_rows else []


def by_day(table: pa.Table) -> Iterator[tuple[str | None, pa.Table]]:
    """The attempts of each day (UTC) on which some ended, and of those (None) that are open; each by job and start."""
    import pyarrow as pa

    days = table["end"].cast(pa.timestamp("ns")).cast(pa.date32(), safe=False)
    order = [(name, "ascending") for name in ("day", "job", "start")]
    table = table.append_column("day", days).sort_by(order)
    first = 0
    for day, count in counted(table["day"]):
        yield None if day is None else f"{day:%Y-%m-%d}", table.slice(first, count).drop_columns(["day"])
        first += count


def counted(column: pa.ChunkedArray) -> Iterator[tuple[Any, int]]:
    """How often each value is there, in the order in which they appear."""
    import pyarrow.compute as pc

    found = pc.value_counts(column)
    return zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)


def without(table: pa.Table, runs: Collection[str]) -> pa.Table:
    """A table less the rows of these runs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(pc.invert(pc.is_in(table["run"], value_set=pa.array(runs, pa.string()))))


def parquet(table: pa.Table, *, row_group: int = ROW_GROUP) -> bytes:
    """A table as a Parquet file."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    words = [name for name in ("state", "partition_key", "code_version", "slots", "partitions") if name in table.column_names]
    pq.write_table(
        table, sink, row_group_size=row_group, compression="zstd", compression_level=1, use_dictionary=words, write_statistics=True
    )
    return sink.getvalue()


# --- dimension tables ----------------------------------------------------------------------------------------------------


def tables(known: Dimensions) -> dict[str, pa.Table]:
    """The dimension tables."""
    import pyarrow as pa

    def table(columns: dict[str, tuple[Iterable[Any], Any]]) -> pa.Table:
        return pa.table({name: pa.array(list(values), kind) for name, (values, kind) in columns.items()})

    small, text = pa.int32(), pa.string()
    ids = pa.list_(small)
    jobs = {job: number for number, job in enumerate(known.jobs)}
    datasets = {dataset: number for number, dataset in enumerate(known.datasets)}
    of = [datasets[one.dataset] for one in known.refs]
    edges: dict[tuple[int, int, int], None] = {}
    for head in known.heads:
        if head.job is not None:
            edges.update(dict.fromkeys((jobs[head.job], of[number], _READ) for number in head.inputs))
            edges.update(dict.fromkeys((jobs[head.job], of[number], _WRITE) for number in head.outputs))
    first = [known.heads[shape[0]] for shape in known.shapes]
    return {
        "jobs": table(
            {
                "job": (range(len(known.jobs)), small),
                "namespace": ((one.namespace for one in known.jobs), text),
                "name": ((one.name for one in known.jobs), text),
            }
        ),
        "datasets": table(
            {
                "dataset": (range(len(known.datasets)), small),
                "namespace": ((one.namespace for one in known.datasets), text),
                "name": ((one.name for one in known.datasets), text),
                "versioned": ((one in known.versioned for one in known.datasets), pa.bool_()),
            }
        ),
        "references": table(
            {
                "reference": (range(len(known.refs)), small),
                "dataset": (of, small),
                "told": ((_told(one) for one in known.refs), text),
            }
        ),
        "heads": table(
            {
                "head": (range(len(known.heads)), small),
                "type": ((KINDS[one.kind] for one in known.heads), text),
                "job": ((None if one.job is None else jobs[one.job] for one in known.heads), small),
                "inputs": ((one.inputs for one in known.heads), ids),
                "outputs": ((one.outputs for one in known.heads), ids),
                "owners": ((one.owners for one in known.heads), pa.list_(text)),
                "flags": ((one.flags for one in known.heads), small),
            }
        ),
        "shapes": table(
            {
                "shape": (range(len(known.shapes)), small),
                "heads": (known.shapes, ids),
                "job": ((None if one.job is None else jobs[one.job] for one in first), small),
                "attempts": (known.attempts, pa.int64()),
                "reads": ((_named(known, of, shape, 0) for shape in known.shapes), ids),
                "writes": ((_named(known, of, shape, 1) for shape in known.shapes), ids),
            }
        ),
        "edges": table(
            {
                "job": ((job for job, _, _ in edges), small),
                "dataset": ((dataset for _, dataset, _ in edges), small),
                "direction": (("write" if direction else "read" for _, _, direction in edges), text),
            }
        ),
        "dates": table(
            {
                "dataset": ((datasets[dataset] for dataset, _, _ in sorted(known.dated)), small),
                "key": ((key for _, key, _ in sorted(known.dated)), text),
                "sure": ((sure for _, _, sure in sorted(known.dated)), pa.bool_()),
            }
        ),
    }


def dimensions(found: dict[str, pa.Table]) -> Dimensions:
    """The dimensions that the tables hold."""
    known = named(found)
    datasets, references, shapes, dates = (found[name] for name in ("datasets", "references", "shapes", "dates"))
    known.versioned.update(one for one, so in zip(known.datasets, datasets["versioned"].to_pylist(), strict=True) if so)
    for dataset, told in zip(references["dataset"].to_pylist(), references["told"].to_pylist(), strict=True):
        known.ref(reference_of(known.datasets[dataset], told))
    for head in heads_in(found["heads"], known):
        known.head(head)
    for shape, attempts in zip(shapes["heads"].to_pylist(), shapes["attempts"].to_pylist(), strict=True):
        known.attempts[known.shape(tuple(shape))] = attempts
    columns = (dates[name].to_pylist() for name in ("dataset", "key", "sure"))
    known.dated.update((known.datasets[dataset], key, sure) for dataset, key, sure in zip(*columns, strict=True))
    return known


def named(found: dict[str, pa.Table]) -> Dimensions:
    """The jobs and datasets alone."""
    known = Dimensions()
    for one in map(DatasetId, *(found["datasets"][name].to_pylist() for name in ("namespace", "name"))):
        known.dataset(one)
    for job in jobs_in(found):
        known.job(job)
    return known


def jobs_in(found: dict[str, pa.Table]) -> Iterator[JobId]:
    """The jobs by their numbers."""
    return map(JobId, *(found["jobs"][name].to_pylist() for name in ("namespace", "name")))


def heads_in(table: pa.Table, known: Dimensions) -> Iterator[Head]:
    """The heads of rows of their table."""
    kinds = {name: number for number, name in enumerate(KINDS)}
    columns = (table[name].to_pylist() for name in ("type", "job", "inputs", "outputs", "owners", "flags"))
    for kind, job, inputs, outputs, owners, flags in zip(*columns, strict=True):
        by = None if job is None else known.jobs[job]
        yield Head(kinds[kind], by, tuple(inputs), tuple(outputs), tuple(owners), flags)


def _named(known: Dimensions, of: list[int], shape: tuple[int, ...], direction: int) -> list[int]:
    heads = (known.heads[number] for number in shape)
    return sorted({of[number] for head in heads for number in (head.outputs if direction else head.inputs)})


_CONSTANT = DatasetRef(DatasetId("", ""))
_SAID = (
    *("suffixed", "operation", "lifecycle", "materialized", "strategy", "exposed"),
    *("symlinks", "renamed_from", "owners", "inferred", "format"),
)


def _told(reference: DatasetRef) -> str | None:
    """What a reference says beyond its dataset; None for nothing."""
    said = {name: getattr(reference, name) for name in _SAID if getattr(reference, name) != getattr(_CONSTANT, name)}
    return orjson.dumps(said, default=list).decode() if said else None  # a dataset is a tuple of its own kind


def reference_of(dataset: DatasetId, told: str | None) -> DatasetRef:
    """A reference by its dataset and what it says beyond that."""
    if told is None:
        return DatasetRef(dataset)
    said: dict[str, Any] = orjson.loads(told)
    for name, value in said.items():
        match name:
            case "symlinks":
                said[name] = tuple(DatasetId(*one) for one in value)
            case "renamed_from":
                said[name] = DatasetId(*value)
            case "owners":
                said[name] = tuple(value)
    return DatasetRef(dataset, **said)
