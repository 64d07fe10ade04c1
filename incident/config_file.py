"""One ``incident.toml``, read and checked key by key. Raises ConfigError for the first thing that is wrong."""

from __future__ import annotations

import os
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, cast

from incident.config_rules import CatalogRule, OrchestratorRule, StorageRule
from incident.config_serving import check_pointer, serving
from incident.config_table import Table
from incident.errors import ConfigError
from incident.sizes import parse_size
from lineage.declarations import DatasetRule, EdgeRule, WriteWord
from lineage.errors import PartitionError
from lineage.layouts import Layout
from lineage.timestamps import SECOND
from lineage.windows import Window
from lineage.zones import zone

CATALOGS = ("sql", "rest", "glue", "hive")
_SECRET = re.compile(r"secret|password|credential|token|access-key", re.IGNORECASE)
KINDS = ("command", "luigi", "airflow", "dagster", "dbt")


class ConfigFile:
    """What one file says; None or empty where it says nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        source = _read(path)
        try:
            raw = tomllib.loads(f"{source}\n")  # so that every error has a line
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not valid TOML: {error}", "correct that line; `incident init` writes an example") from error
        root = Table(raw, file=str(path), source=source)
        self._lineage(root.subtable("lineage"))
        self.storages = [_storage(table) for table in root.subtables("storage")]
        datasets = [(table, _dataset(table)) for table in root.subtables("dataset")]
        self.datasets = [rule for _, rule in datasets]
        for table, rule in datasets:
            _check_layout(table, rule, self.datasets)
        self.serving = [serving(table) for table in root.subtables("serving")]
        self.edges = [_edge(table) for table in root.subtables("edge")]
        self.orchestrators = [_orchestrator(table) for table in root.subtables("orchestrator")]
        self.catalogs = [self._catalog(table) for table in root.subtables("catalog")]
        self.policy = _policy(root.subtable("policy"))
        home = root.subtable("home")
        url = home.text("url")
        home.finish()
        self.home_url = None if url is None else self._place(url)
        root.finish()

    def _lineage(self, table: Table) -> None:
        sources, skew, lost_after = table.texts("sources"), table.seconds("skew"), table.seconds("lost_after")
        table.finish()
        self.sources = None if sources is None else tuple(self._place(one) for one in sources)
        self.skew = None if skew is None else round(skew * SECOND)
        self.lost_after = None if lost_after is None else round(lost_after * SECOND)

    def _catalog(self, table: Table) -> CatalogRule:
        name, kind = table.required("name"), table.text("type", choices=CATALOGS)
        said = {"type": kind, "uri": table.text("uri"), "warehouse": table.text("warehouse")}
        further = table.anything("properties") or {}
        if not isinstance(further, dict) or not all(isinstance(value, str) for value in further.values()):
            raise table.error("properties", 'must be a table of texts, such as { "s3.endpoint" = "http://127.0.0.1:9000" }')
        elsewhere = "put it into ~/.pyiceberg.yaml or the environment"
        if secret := next((key for key in further if _SECRET.search(key)), None):
            raise table.error("properties", f"{secret!r} is a secret, which does not belong here", elsewhere)
        if re.search(r"://[^/@]*:[^/@]+@", said["uri"] or ""):
            raise table.error("uri", "holds a password, which does not belong here", elsewhere)
        table.finish()
        if kind is not None and said["uri"] is None and kind in {"sql", "rest", "hive"}:
            raise table.error("uri", f"is missing; a catalog of type {kind} has one")
        if kind == "sql" and (uri := said["uri"] or "").startswith("sqlite:///") and not uri.startswith("sqlite:////"):
            said["uri"] = f"sqlite:///{self._place(uri.removeprefix('sqlite:///'))}"
        return CatalogRule(name, tuple(sorted({**further, **{key: value for key, value in said.items() if value}}.items())))

    def _place(self, text: str) -> str:
        """Plain paths are relative to the file that names them; URLs stay as they are."""
        kind, colon, rest = text.partition(":")
        if colon and kind == "dbt":
            folder, question, options = rest.partition("?")
            return f"dbt:{self._place(folder)}{question}{options}"
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
            return text
        slash = "/" if text.endswith("/") else ""
        return os.path.normpath(self.path.parent / Path(text).expanduser()) + slash


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"There is no configuration file {path}", "incident init") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8", "incident init writes one") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}", "name another with --config FILE") from error


def _storage(table: Table) -> StorageRule:
    url = table.required("url")
    match = re.fullmatch(r"s3://([^/]+)(?:/(.*))?", url) or re.fullmatch(r"(glue:)//(.*)", url)
    if match is None:
        raise table.error("url", f"{url!r} names no bucket", 'write "s3://bucket", "s3://bucket/prefix" or "glue://database"')
    endpoint = table.text("endpoint")
    if endpoint is not None and not re.match(r"https?://[^/]", endpoint):
        raise table.error("endpoint", f"{endpoint!r} is not an http:// or https:// address")
    prefix = (match[2] or "").strip("/")
    rule = StorageRule(
        url,
        match[1],
        f"{prefix}/" if prefix else "",
        endpoint,
        table.text("profile"),
        table.text("region"),
        requester_pays=table.flag("requester_pays") or False,
        probe=table.flag("probe") is not False,
        batch_role=table.text("batch_role"),
        batch_function=table.text("batch_function"),
    )
    table.finish()
    return rule


def _dataset(table: Table) -> DatasetRule:
    location = table.text("location")
    if location is not None and not re.match(r"s3://[^/]|file:/", location):
        raise table.error("location", f"{location!r} is neither s3://bucket/… nor file:/…")
    layout = table.anything("partition")
    partition: Layout | Literal[False] | None = None
    match layout:
        case None:
            pass
        case False:
            partition = False
        case str():
            try:
                partition = Layout(layout)
            except PartitionError as error:
                raise table.lineage("partition", error) from error
        case _:
            raise table.error("partition", f"must be a layout such as 'dt=%Y-%m-%d', or false, and is {layout!r}")
    pointer = table.text("pointer")
    if pointer is not None:
        check_pointer(table, pointer)
    copy = table.text("copy")
    if copy is not None and not re.match(r"s3://[^/]+/.|file:/", copy):
        raise table.error("copy", f"{copy!r} is neither s3://bucket/prefix nor file:/…")
    serves = table.flag("serving")
    timezone = table.text("timezone")
    try:
        clock = None if timezone is None else zone(timezone)
    except PartitionError as error:
        raise table.lineage("timezone", error) from error
    rule = DatasetRule(
        match=_named(table.glob("match")),
        location=location,
        partition=partition,
        timezone=clock,
        nominal=table.flag("nominal"),
        write=cast("WriteWord | None", table.text("write", choices=("overwrite", "append", "merge"))),
        serving=True if serves is None and pointer is not None else serves,
        owners=table.texts("owners"),
        protected=table.flag("protected"),
        format=table.text("format", choices=("objects", "iceberg", "delta")),
        pointer=pointer,
        copy=copy,
        table=table.text("table"),
        catalog=table.text("catalog"),
    )
    table.finish()
    return rule


def _named(glob: str) -> str:
    """A local dataset is named ``file/PATH``, whatever its producers call it; here it may be written as a URL too."""
    return re.sub(r"^file:/+", "file/", glob)


def _check_layout(table: Table, rule: DatasetRule, rules: list[DatasetRule]) -> None:
    """Nominal times and time zones mean something only where a layout has dates; it may come from another entry that meets this."""
    key = "nominal" if rule.nominal else "timezone"
    if not rule.nominal and rule.timezone is None:
        return
    meeting = [one for one in rules if fnmatchcase(one.match, rule.match) or fnmatchcase(rule.match, one.match)]
    layouts = [one.partition for one in meeting if isinstance(one.partition, Layout)]
    if not layouts:
        raise table.error(key, "needs a partition layout, and no entry gives one", 'add partition = "dt=%Y-%m-%d"')
    if all(layout.grain is None for layout in layouts):
        raise table.error(key, f"needs a layout with a date, and {layouts[0].template!r} has none")


def _edge(table: Table) -> EdgeRule:
    job, reads, raw = table.glob("job"), _named(table.glob("reads")), table.anything("window")
    until = cast("Literal['latest'] | None", table.text("until", choices=("latest",)))
    window = None
    if raw is not None:
        try:
            window = Window.parse(raw)
        except PartitionError as error:
            raise table.lineage("window", error) from error
    if window is None and until is None:
        raise table.error("window", "is missing", 'for example window = "identity"')
    table.finish()
    return EdgeRule(job, reads, window, until)


def _orchestrator(table: Table) -> OrchestratorRule:
    rule = OrchestratorRule(table.glob("jobs"), table.required("kind", choices=KINDS), table.texts("command") or ())
    if rule.kind == "command" and not rule.command:
        raise table.error("command", "is missing", 'for example command = ["make-it", "{job}", "{partition}"]')
    table.finish()
    return rule


def _policy(table: Table) -> dict[str, Any]:
    raw = table.anything("max_bytes")
    size: int | None = None
    match raw:
        case None:
            pass
        case bool():
            raise table.error("max_bytes", f"must be a size such as '1 TiB', and is {raw!r}")
        case int() if raw >= 0:
            size = raw
        case str():
            try:
                size = parse_size(raw)
            except ValueError as error:
                raise table.error("max_bytes", str(error)) from error
        case _:
            raise table.error("max_bytes", f"must be a size such as '1 TiB', and is {raw!r}")
    quarantine = table.text("quarantine")
    if quarantine is not None and not re.match(r"s3://[^/]+/.|file:/", quarantine):
        raise table.error("quarantine", f"{quarantine!r} is neither s3://bucket/prefix/ nor file:/…")
    said = {
        "max_objects": table.whole("max_objects"),
        "max_bytes": size,
        "approvals": table.whole("approvals"),
        "quarantine": quarantine,
    }
    table.finish()
    return {key: value for key, value in said.items() if value is not None}
