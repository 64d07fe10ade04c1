"""Reading and writing the lake's partitions through pyarrow; overwriting a key makes a new version of it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

from incident.demo.settings import ACCESS_KEY, REGION, SECRET_KEY, Settings

Row = dict[str, Any]


class Missing(Exception):
    """A partition that a job needs is not there."""


@dataclass(slots=True)
class Store:
    """The lake's bucket. A partition is a folder of parquet files, or of one JSON file, and is replaced file by file."""

    settings: Settings
    _filesystem: Any = field(default=None, repr=False)

    @property
    def filesystem(self) -> Any:
        if self._filesystem is None:
            from pyarrow import fs

            scheme, _, address = self.settings.endpoint.partition("://")
            self._filesystem = fs.S3FileSystem(
                access_key=ACCESS_KEY,
                secret_key=SECRET_KEY,
                region=REGION,
                scheme=scheme,
                endpoint_override=address,
                background_writes=False,
                allow_delayed_open=True,  # one plain PUT a file instead of a multipart upload
            )
        return self._filesystem

    def _folder(self, dataset: str, partition: str) -> str:
        return "/".join(part for part in (self.settings.bucket, dataset, "" if partition == "*" else partition) if part)

    def files(self, dataset: str, partition: str) -> list[str]:
        """The paths of a partition's files, in order."""
        from pyarrow import fs

        selector = fs.FileSelector(self._folder(dataset, partition), allow_not_found=True)
        return sorted(found.path for found in self.filesystem.get_file_info(selector) if found.is_file)

    def partitions(self, dataset: str) -> list[str]:
        """The names of a dataset's partitions, in order."""
        from pyarrow import fs

        selector = fs.FileSelector(self._folder(dataset, "*"), recursive=True, allow_not_found=True)
        base = self._folder(dataset, "*") + "/"
        found = [info.path.removeprefix(base) for info in self.filesystem.get_file_info(selector) if info.is_file]
        return sorted({path.rpartition("/")[0] or "*" for path in found})

    def read(self, dataset: str, partition: str = "*") -> list[Row]:
        """The rows of a partition. Raises Missing when it has no files."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows: list[Row] = []
        for path in self.files(dataset, partition):
            # A stream is one GET; handing the file system to parquet costs several requests a file.
            with self.filesystem.open_input_stream(path) as stream:
                content = stream.read()
            rows += [json.loads(content)] if path.endswith(".json") else pq.read_table(pa.BufferReader(content)).to_pylist()
        if not rows:
            raise Missing(f"{self.settings.namespace}/{dataset}@{partition} is not there")
        return rows

    def write(self, dataset: str, partition: str, parts: list[list[Row]]) -> None:
        """Replace a partition by one parquet file a part."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for number, rows in enumerate(parts):
            content = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(rows), content, compression="zstd")
            self._put(f"{self._folder(dataset, partition)}/part-{number}.parquet", content.getvalue())

    def write_json(self, dataset: str, name: str, value: Row) -> None:
        """Replace an unpartitioned dataset by one JSON file."""
        self._put(f"{self._folder(dataset, '*')}/{name}", json.dumps(value, indent=2).encode())

    def _put(self, path: str, content: bytes) -> None:
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)
