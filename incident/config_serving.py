"""``[[serving]]``: the registry of what serves. Who serves which dataset or trained model, and through which pointer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from incident.config_table import Table
from lineage.declarations import DatasetRule

KINDS = ("json", "text", "symlink", "success", "glue", "mlflow")
"""The kinds of pointers; ``incident.pointers.kinds`` has a row for each."""

_POINTERS = re.compile(r"s3://[^/]+/.|file:///.|glue://[^/]+/[^/]+|mlflow\+https?://[^/]+/.*[^/@]+@[^/@]+$")


@dataclass(frozen=True, slots=True)
class ServingRule:
    """One ``[[serving]]``. ``serves`` is a glob over NAMESPACE/NAME, ``what`` says whether of a dataset or a trained model.

    ``pointer`` and ``target`` are URLs; ``{partition}`` in either stands for a partition's path, ``{value}`` in ``target`` for
    what the pointer says.
    """

    name: str
    serves: str
    what: Literal["dataset", "model"]
    pointer: str | None = None
    kind: str | None = None
    target: str | None = None
    owners: tuple[str, ...] = ()

    @property
    def declares(self) -> DatasetRule:
        """What it says about its dataset: somebody serves it."""
        return DatasetRule(self.serves, serving=True)


def serving(table: Table) -> ServingRule:
    """One entry. Raises ConfigError."""
    given = [(key, table.raw.get(key)) for key in ("dataset", "model") if key in table.raw]
    if len(given) != 1:
        raise table.error("dataset", "one of dataset and model is needed", 'for example dataset = "s3://lake/serving/features"')
    dataset, model = (table.glob(key) if key == given[0][0] else table.text(key) for key in ("dataset", "model"))
    pointer, target = table.text("pointer"), table.text("target")
    kind = table.text("kind", choices=KINDS)
    if pointer is not None:
        check_pointer(table, pointer, kind)
    if target is not None and not (re.match(r"s3://[^/]+/|file:///", target) and "{value}" in target):
        raise table.error("target", f"{target!r} is no place with a {{value}} in it", 'for example "s3://lake/serving/v={value}/"')
    if target is not None and "{partition}" in target and "{partition}" not in (pointer or ""):
        raise table.error("target", "has a {partition} in it, and the pointer is one for all")
    if pointer is None and (target is not None or kind is not None):
        raise table.error("pointer", "is missing, and kind and target say something about it")
    owners = table.texts("owners") or ()
    name = table.required("name")
    table.finish()
    return ServingRule(name, str(dataset or model), "dataset" if dataset else "model", pointer, kind, target, owners)


def check_pointer(table: Table, pointer: str, kind: str | None = None) -> None:
    """Raises ConfigError for what is no pointer, or none of that kind."""
    if not _POINTERS.match(pointer):
        known = "s3://bucket/key, file:///path, glue://database/table nor mlflow+https://host/model@alias"
        raise table.error("pointer", f"{pointer!r} is neither {known}")
    if kind == "json" and not pointer.partition("#")[2].strip("/"):
        raise table.error("pointer", f"{pointer!r} names no field", 'for example "s3://lake/serving/current.json#version"')
    scheme = next((one for one in ("glue", "mlflow") if pointer.startswith((f"{one}://", f"{one}+"))), None)
    if kind is not None and (kind if kind in {"glue", "mlflow"} else None) != scheme:
        raise table.error("kind", f"{kind!r} does not go with {pointer!r}")
