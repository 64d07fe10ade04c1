"""The registry of what serves: through which pointers a cell is served, and where the data lies that a value names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from incident.pointers.kinds import Kind, kind_of
from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.declarations import DatasetRule
from lineage.errors import PartitionError
from lineage.layouts import Layout
from lineage.partitions import partition
from runbooks.plan import Refusal
from runbooks.targets import location

if TYPE_CHECKING:
    from incident.config import Config

_KEY = re.compile(r"\{(\w+)\}")
_URL = re.compile(r"(s3)[an]?(://[^/]+/.*)|(file:///.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One pointer of one cell: its URL with the partition filled in, its kind, and the template of its targets."""

    name: str
    kind: Kind
    url: str
    target: str | None


def entries(config: Config, cell: Cell) -> tuple[Entry | Refusal, ...]:
    """The pointers that a cell is served through, the registry's before its dataset's own; each once."""
    found: dict[str, Entry | Refusal] = {}
    for rule in config.serving:
        if rule.pointer is not None and _serves(rule.serves, cell.dataset):
            found.setdefault(rule.pointer, _entry(config, cell, rule.name, rule.kind, rule.pointer, rule.target))
    declared = config.declarations.dataset(cell.dataset)
    if declared.pointer is not None:
        found.setdefault(declared.pointer, _entry(config, cell, str(cell.dataset), None, declared.pointer, None))
    return tuple(found.values())


def unpointed(config: Config, cell: Cell) -> list[str]:
    """What serves a cell without any pointer, each in a sentence: nobody but its owners can make it read something else."""
    return [
        f"{rule.name} serves {cell}"
        + (f" ({', '.join(rule.owners)})" if rule.owners else "")
        + " and has no pointer: what it has read already, it goes on serving; see to it that it reads again"
        for rule in config.serving
        if rule.pointer is None and _serves(rule.serves, cell.dataset)
    ]


def places(config: Config, entry: Entry, cell: Cell, value: str, plain: str) -> tuple[str, ...]:
    """The URLs of what a value names; none where nobody says. A folder's URL ends at a ``/``, or may be a file's."""
    if entry.kind.absence:
        return (folder,) if (folder := _folder(config, cell)) else ()
    if entry.kind.name == "symlink":
        return tuple(url for line in value.splitlines() if line.strip() and (url := normal(line.strip())))
    if entry.target is not None:
        return (_filled(config, cell, entry.target).replace("{value}", plain),)
    if url := normal(plain):
        return (url,)
    if entry.kind.name == "mlflow":
        return ()  # versions are numbered there by themselves
    if (root := _root(config, cell.dataset)) and (path := _by_layout(config.declarations.dataset(cell.dataset), plain)):
        return (f"{root}{path}/",)
    return ()


def named_by(config: Config, entry: Entry, cell: Cell, like: str) -> str | None:
    """The value that would name a cell, in people's words, written as ``like`` is; None where nobody says."""
    folder = _folder(config, cell)
    if folder is None or entry.kind.absence or entry.kind.name == "symlink":
        return None
    if entry.target is not None:
        pattern = re.escape(_filled(config, cell, entry.target).rstrip("/")).replace(re.escape("{value}"), "(?P<value>.+?)", 1)
        match = re.fullmatch(pattern, folder.rstrip("/"))
        return match["value"] if match else None
    if normal(like):
        return folder if like.endswith("/") else folder.rstrip("/")
    path = folder.removeprefix(_root(config, cell.dataset) or "").rstrip("/")
    return path if "=" in like or "=" not in path else path.partition("=")[2]


def normal(text: str) -> str | None:
    """A URL of a place, spelled as we spell them; None when the text is none."""
    match = _URL.fullmatch(text)
    return None if match is None else match[3] or f"{match[1]}{match[2]}"


def _entry(config: Config, cell: Cell, name: str, kind: str | None, pointer: str, target: str | None) -> Entry | Refusal:
    try:
        url = _filled(config, cell, pointer)
    except PartitionError as error:
        return Refusal(str(cell), f"its pointer {pointer} is one for each partition: {error.message}", "unknown-partition")
    return Entry(name, kind_of(url, kind), url, target)


def _serves(glob: str, dataset: DatasetId) -> bool:
    return fnmatchcase(str(dataset), glob.rstrip("/"))


def _filled(config: Config, cell: Cell, text: str) -> str:
    """A URL with the path of the cell's partition in it. Raises PartitionError."""
    if "{partition}" not in text:
        return text
    layout = config.declarations.dataset(cell.dataset).partition
    if not isinstance(layout, Layout) or not cell.partition:
        raise PartitionError(f"the partition of {cell} is not known, or its dataset has no layout")
    return text.replace("{partition}", layout.render(cell.partition))


def _root(config: Config, dataset: DatasetId) -> str | None:
    found = location(dataset, config.declarations)
    if isinstance(found, Refusal):
        return None
    return f"s3://{found.bucket}/{found.prefix}" if found.bucket != "file:" else f"file:///{found.prefix}"


def _folder(config: Config, cell: Cell) -> str | None:
    root, layout = _root(config, cell.dataset), config.declarations.dataset(cell.dataset).partition
    if root is None or not cell.partition:
        return root
    try:
        return f"{root}{layout.render(cell.partition)}/" if isinstance(layout, Layout) else None
    except PartitionError:
        return None


def _by_layout(rule: DatasetRule, plain: str) -> str | None:
    """The path of a partition that a value names by the only key of the layout (``41``), or as a path (``v=41``)."""
    layout = rule.partition
    if not isinstance(layout, Layout) or layout.grain is not None:
        return None
    keys = _KEY.findall(layout.template)
    if len(keys) != 1 or not plain or "/" in plain:
        return None
    bare = plain.partition("=")[2] if plain.startswith(f"{keys[0]}=") else plain
    try:
        return layout.render(partition({keys[0]: bare}))
    except PartitionError:
        return None
