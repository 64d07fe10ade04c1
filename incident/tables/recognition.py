"""Whether a folder lies in a table of some format: asked of the folders above it, by a few short listings each.

What lies below is told by the keys themselves while they are surveyed. Nothing that is recognised here is ever overruled by what
a configuration says about the dataset: a file of a table that goes alone leaves a table that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from incident.errors import CredentialsMissing
from incident.storage.port import ObjectReader
from runbooks.survey import Target
from runbooks.targets import table_format

_SIGNS = (
    "_delta_log/",
    ".hoodie/",
    "_lakefs/",
    "metadata/",  # 00000-….metadata.json comes first of its names
    "metadata/snap-",  # Iceberg's lists of manifests: every table with rows has one
    "metadata/v",  # v1.metadata.json, version-hint.text
)
_NAMES = 1_000
"""How many names are read of a folder that may be anybody's: a page, which the signs are at the beginning of."""
_AT_ONCE = 8


@dataclass
class TableRoots:
    """Remembers what it asked. ``warnings``: where nobody may look."""

    warnings: list[str] = field(default_factory=list)
    _known: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def above(self, reader: ObjectReader, bucket: str, prefix: str, root: str) -> str | None:
        """The format of the table that a place lies in, if any: the bucket's root counts, and so does the dataset's own.

        ``root``: the dataset's; above it a listing may be forbidden, which is said and is no proof of anything.
        """
        return next((form for folder in _upwards(prefix, root) if (form := self._form(reader, bucket, folder, root))), None)

    def _form(self, reader: ObjectReader, bucket: str, folder: str, root: str) -> str | None:
        if (bucket, folder) not in self._known:
            try:
                self._known[bucket, folder] = _signs(reader, bucket, folder)
            except CredentialsMissing:
                if folder.startswith(root):
                    raise
                self._known[bucket, folder] = None
                place = Target(bucket, folder).url
                self.warnings.append(f"whether a table begins at {place} is not known: its listing is forbidden")
        return self._known[bucket, folder]


def _signs(reader: ObjectReader, bucket: str, folder: str) -> str | None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda sign: table_format(islice(reader.list_keys(bucket, folder + sign), _NAMES)), _SIGNS)
        return next((form for form in found if form is not None), None)


def _upwards(prefix: str, root: str) -> Iterator[str]:
    """The folders above a place up to the bucket's own root, and the place itself where it is all of its dataset."""
    if prefix == root:
        yield prefix
    while prefix:
        prefix = prefix.rstrip("/").rpartition("/")[0]
        prefix = prefix + "/" if prefix else ""
        yield prefix
