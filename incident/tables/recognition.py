"""Whether a folder lies in a table of some format: asked of the folders above it, by a few short listings each.

What lies below is told by the keys themselves while they are surveyed. Nothing that is recognised here is ever overruled by what
a configuration says about the dataset: a file of a table that goes alone leaves a table that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
)
_FURTHER = (
    "metadata/snap-",  # Iceberg's lists of manifests: every table with rows has one
    "metadata/v",  # v1.metadata.json, version-hint.text
)
"""Asked only where there is more in ``metadata/`` than was read of it."""
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
        folders = list(_upwards(prefix, root))
        unknown = [folder for folder in folders if (bucket, folder) not in self._known]
        if unknown:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                asked = {folder: pool.submit(_signs, reader, bucket, folder) for folder in unknown}
            for folder, answer in asked.items():
                self._known[bucket, folder] = self._form(bucket, folder, root, answer)
        return next((form for folder in folders if (form := self._known[bucket, folder])), None)

    def _form(self, bucket: str, folder: str, root: str, answer: Future[str | None]) -> str | None:
        try:
            return answer.result()
        except CredentialsMissing:
            if folder.startswith(root):
                raise
            place = Target(bucket, folder).url
            self.warnings.append(f"whether a table begins at {place} is not known: its listing is forbidden")
            return None


def _signs(reader: ObjectReader, bucket: str, folder: str) -> str | None:
    with ThreadPoolExecutor(len(_SIGNS)) as pool:
        found = dict(zip(_SIGNS, pool.map(lambda sign: _names(reader, bucket, folder + sign), _SIGNS), strict=True))
    if (form := next((form for form, _ in found.values() if form is not None), None)) is not None:
        return form
    further = _FURTHER if found["metadata/"][1] == _NAMES else ()
    return next((form for sign in further if (form := _names(reader, bucket, folder + sign)[0]) is not None), None)


def _names(reader: ObjectReader, bucket: str, prefix: str) -> tuple[str | None, int]:
    """The format that a page of names betrays, and how many were read."""
    names = list(islice(reader.list_keys(bucket, prefix), _NAMES))
    return table_format(names), len(names)


def _upwards(prefix: str, root: str) -> Iterator[str]:
    """The folders above a place up to the bucket's own root, and the place itself where it is all of its dataset."""
    if prefix == root:
        yield prefix
    while prefix:
        prefix = prefix.rstrip("/").rpartition("/")[0]
        prefix = prefix + "/" if prefix else ""
        yield prefix
