"""``incident.toml``: what it says is understood exactly, and what it gets wrong is named by file, line and key."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from incident.config import Config, Policy, StorageRule, find, load
from incident.config_example import EXAMPLE
from incident.errors import USAGE, ConfigError
from lineage.datasets import DatasetId, JobId, normalise
from lineage.layouts import Layout
from lineage.windows import Window

FULL = """
[lineage]
sources = ["events/*.ndjson", "s3://lake-meta/openlineage/", "/abs/events/", "dbt:target/?namespace=duckdb:///shop", "marquez+http://host:5000"]
skew = 0.5
lost_after = 86400

[[storage]]
url = "s3://lake/raw"
endpoint = "http://127.0.0.1:4567"
profile = "prod"
region = "eu-north-1"

[[storage]]
url = "s3://lake"

[[dataset]]
match = "s3://lake/clean/*"
location = "s3://lake/clean/orders"
partition = "date=%Y-%m-%d"
nominal = true
write = "overwrite"
serving = true
owners = ["team-pricing"]
format = "objects"

[[dataset]]
match = "s3://lake/clean/orders"
protected = true
write = "merge"
pointer = "s3://lake/serving/current.json#version"

[[dataset]]
match = "s3://lake/static"
partition = false

[[edge]]
job = "airflow-prod/*"
reads = "s3://lake/clean/orders"
window = [-6, 0]

[[edge]]
job = "airflow-prod/balance"
reads = "s3://lake/balance"
until = "latest"

[[orchestrator]]
jobs = "airflow-prod/ml*"
kind = "command"
command = ["make-it", "{job}", "{partition}"]

[[orchestrator]]
jobs = "*"
kind = "airflow"

[policy]
max_objects = 5
max_bytes = "2 GiB"
approvals = 1
quarantine = "s3://lake-quarantine/incident/"

[home]
url = "homes/ops"
"""


@pytest.fixture(autouse=True)
def _no_user_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)


def _load(text: str | bytes) -> Config:
    path = Path("incident.toml")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load()


def test_every_key_of_the_contract_is_understood(tmp_path: Path) -> None:
    config = _load(FULL)
    assert config.path == tmp_path / "incident.toml"
    assert config.sources == (
        f"{tmp_path}/events/*.ndjson",
        "s3://lake-meta/openlineage/",
        "/abs/events/",
        f"dbt:{tmp_path}/target/?namespace=duckdb:///shop",
        "marquez+http://host:5000",
    )
    assert config.declarations.skew == 500_000_000
    assert config.declarations.lost_after == 86_400_000_000_000
    assert config.storages[0] == StorageRule("s3://lake/raw", "lake", "raw/", "http://127.0.0.1:4567", "prod", "eu-north-1")
    orders = config.declarations.dataset(DatasetId("s3://lake", "clean/orders"))
    assert (orders.partition, orders.nominal, orders.write) == (Layout("date=%Y-%m-%d"), True, "merge")
    assert (orders.serving, orders.owners, orders.protected, orders.format) == (True, ("team-pricing",), True, "objects")
    assert (orders.location, orders.pointer) == ("s3://lake/clean/orders", "s3://lake/serving/current.json#version")
    assert config.declarations.dataset(DatasetId("s3://lake", "static")).partition is False
    edge = config.declarations.edge(JobId("airflow-prod", "daily"), DatasetId("s3://lake", "clean/orders"))
    assert edge is not None
    assert edge.window == Window("offsets", -6, 0)
    assert config.policy == Policy(5, 2 * 1024**3, 1, "s3://lake-quarantine/incident/")
    assert config.home_url == f"{tmp_path}/homes/ops"


def test_the_first_storage_and_orchestrator_that_match_win_at_a_boundary() -> None:
    config = _load(FULL)
    found = {prefix: config.storage_for("lake", prefix) for prefix in ("raw/x/", "raw", "rawer/x/", "")}
    assert {prefix: rule.url for prefix, rule in found.items() if rule} == {
        "raw/x/": "s3://lake/raw",
        "raw": "s3://lake/raw",
        "rawer/x/": "s3://lake",
        "": "s3://lake",
    }
    assert config.storage_for("another", "raw/") is None
    kinds = [config.orchestrator_for(JobId("airflow-prod", name)) for name in ("ml.x", "other")]
    assert [rule.kind for rule in kinds if rule] == ["command", "airflow"]


def test_without_any_file_there_are_defaults() -> None:
    assert load() == Config()


def test_it_is_found_upwards_and_named_with_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "incident.toml").touch()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find(deep) == tmp_path / "incident.toml"
    (tmp_path / "other.toml").write_text("[policy]\napprovals = 2\n")
    monkeypatch.chdir(deep)
    assert load("../../other.toml").policy.approvals == 2


def test_the_users_file_is_the_lower_layer(tmp_path: Path) -> None:
    user = tmp_path / "xdg" / "dataops-incident" / "incident.toml"
    user.parent.mkdir(parents=True)
    user.write_text(
        '[lineage]\nsources = ["u"]\nskew = 2\n[home]\nurl = "uh"\n[policy]\nmax_objects = 1\napprovals = 1\n'
        '[[storage]]\nurl = "s3://lake"\nprofile = "user"\n[[dataset]]\nmatch = "*"\nserving = true\nwrite = "append"\n'
    )
    config = _load(
        '[lineage]\nsources = ["p"]\n[policy]\nmax_objects = 9\n[[storage]]\nurl = "s3://lake"\nprofile = "project"\n'
        '[[dataset]]\nmatch = "*"\nserving = false\n'
    )
    assert config.sources == (f"{tmp_path}/p",)
    assert config.declarations.skew == 2_000_000_000
    assert config.home_url == f"{user.parent}/uh"
    assert (config.policy.max_objects, config.policy.approvals) == (9, 1)
    rule = config.storage_for("lake")
    assert rule is not None
    assert rule.profile == "project"
    merged = config.declarations.dataset(DatasetId("a", "b"))
    assert (merged.serving, merged.write) == (False, "append")


def test_local_datasets_may_be_named_as_urls() -> None:
    config = _load(
        "[[dataset]]\nmatch = 'file:///data/*'\npartition = false\ncopy = 'file:///backup/a'\n"
        "[[edge]]\njob = 'a'\nreads = 'file:/data/b'\nwindow = 'all'\n"
    )
    rule = config.declarations.dataset(normalise("file", "/data/a"))
    assert (rule.partition, rule.copy) == (False, "file:///backup/a")
    assert [edge.reads for edge in config.declarations.edges] == ["file/data/b"]


def test_the_written_example_holds_when_every_line_of_it_is_meant() -> None:
    meant = "\n".join(line[2:] if re.match(r"# (\[\[?\w+\]\]?|\w+ = )", line) else line for line in EXAMPLE.splitlines())
    config = _load(meant)
    assert len(config.declarations.datasets) == 5 + len(config.serving) == 6
    assert len(config.declarations.edges) == 2
    assert len(config.storages) == len(config.orchestrators) == len(config.catalogs) == 1
    assert config.policy == Policy(quarantine="s3://lake-quarantine/incident/")
    assert _load(EXAMPLE).sources == ()


BAD = [
    ("[lineage]\nskew = ", r"not valid TOML: .*line 2, column 8", "syntax"),
    ("[lineage]\nskew = 1\nskew = 2", r"line 3", "a key twice"),
    ("[lineag]\n", r":1: lineag: is not a known key.*", "unknown table"),
    ("[lineage]\n\nsorces = []", r":3: lineage\.sorces: is not a known key", "unknown key"),
    ('lineage = "x"', r":1: lineage: must be a table", "a text for a table"),
    ("[storage]\nurl = 's3://x'", r":1: storage: is a list of entries: write \[\[storage\]\]", "one bracket"),
    ("[lineage]\nsources = 'x'", r":2: lineage\.sources: must be a list of texts", "a text for a list"),
    ("[lineage]\nsources = ['x', 1]", r":2: lineage\.sources: must be a list", "a number in a list"),
    ("[lineage]\nsources = ['']", r":2: lineage\.sources: must be a list", "an empty source"),
    ("[lineage]\nskew = -1", r":2: lineage\.skew: must be a number of seconds that is not negative", "negative skew"),
    ("[lineage]\nskew = true", r":2: lineage\.skew", "true for a number"),
    ("[lineage]\nskew = nan", r":2: lineage\.skew", "not a number"),
    ("[[storage]]\nprofile = 'x'", r":1: storage\[0\]\.url: is missing", "no url"),
    ("[[storage]]\nurl = 's3://'", r":2: storage\[0\]\.url: 's3://' names no bucket", "no bucket"),
    ("[[storage]]\nurl = 's3:///x'", r":2: storage\[0\]\.url: .* names no bucket", "empty bucket"),
    ("[[storage]]\nurl = 'gs://x'", r":2: storage\[0\]\.url: .* names no bucket", "another scheme"),
    ("[[storage]]\nurl = 's3://x'\nendpoint = 'localhost:1'", r":3: storage\[0\]\.endpoint", "endpoint without scheme"),
    ("[[dataset]]\nmatch = 'a'\n[[dataset]]\n", r":3: dataset\[1\]\.match: is missing", "no match"),
    ("[[dataset]]\nmatch = ''", r":2: dataset\[0\]\.match: must not be empty", "empty glob"),
    ("[[dataset]]\nmatch = 's3://x/[ab'", r":2: dataset\[0\]\.match: the glob .* has a '\['", "open bracket"),
    ("[[dataset]]\nmatch = 3", r":2: dataset\[0\]\.match: must be text", "a number for a glob"),
    ("[[dataset]]\nmatch = 'a'\npartition = ''", r":3: dataset\[0\]\.partition: .*empty", "empty layout"),
    (
        "[[dataset]]\nmatch = 'a'\npartition = 'dt='",
        r":3: dataset\[0\]\.partition: .*names no date part",
        "a layout without a part",
    ),
    ("[[dataset]]\nmatch = 'a'\npartition = '/%Y'", r":3: dataset\[0\]\.partition", "a layout with a slash"),
    ("[[dataset]]\nmatch = 'a'\npartition = '../%Y'", r":3: dataset\[0\]\.partition: .*relative", "a layout that climbs"),
    ("[[dataset]]\nmatch = 'a'\npartition = true", r":3: dataset\[0\]\.partition: must be a layout", "true for a layout"),
    ("[[dataset]]\nmatch = 'a'\nnominal = true", r":3: dataset\[0\]\.nominal: needs a partition layout", "nominal, no layout"),
    (
        "[[dataset]]\nmatch = 'a'\nnominal = true\npartition = 'c={c}'",
        r":3: dataset\[0\]\.nominal: needs a layout with a date",
        "nominal, no date",
    ),
    ("[[dataset]]\nmatch = 'a'\nnominal = 1", r":3: dataset\[0\]\.nominal: must be true or false", "a number for a flag"),
    (
        "[[dataset]]\nmatch = 'a'\npartition = 'dt=%Y'\ntimezone = 'Europe/Stokholm'",
        r":4: dataset\[0\]\.timezone: 'Europe/Stokholm' is not a time zone",
        "an unknown zone",
    ),
    ("[[dataset]]\nmatch = 'a'\ntimezone = 3", r":3: dataset\[0\]\.timezone: must be text", "a number for a zone"),
    ("[[dataset]]\nmatch = 'a'\ntimezone = 'UTC'", r":3: dataset\[0\]\.timezone: needs a partition layout", "a zone, no layout"),
    (
        "[[dataset]]\nmatch = 'a'\ntimezone = 'UTC'\npartition = 'c={c}'",
        r":3: dataset\[0\]\.timezone: needs a layout with a date",
        "a zone, no date",
    ),
    (
        "[[dataset]]\nmatch = 'a'\nwrite = 'delete'",
        r":3: dataset\[0\]\.write: must be one of overwrite, append, merge",
        "bad write",
    ),
    ("[[dataset]]\nmatch = 'a'\nformat = 'hudi'", r":3: dataset\[0\]\.format: must be one of", "bad format"),
    ("[[dataset]]\nmatch = 'a'\nlocation = 'clean/a'", r":3: dataset\[0\]\.location: .*neither s3://", "a location nowhere"),
    ("[[dataset]]\nmatch = 'a'\nlocation = 's3://'", r":3: dataset\[0\]\.location", "a location without a bucket"),
    ("[[dataset]]\nmatch = 'a'\npointer = 's3://b'", r":3: dataset\[0\]\.pointer", "a pointer without a key"),
    ("[[dataset]]\nmatch = 'a'\ncopy = 's3://b'", r":3: dataset\[0\]\.copy: .*neither s3://", "a kept copy in all of a bucket"),
    ("[[dataset]]\nmatch = 'a'\nowners = 'team'", r":3: dataset\[0\]\.owners: must be a list of texts", "a text for owners"),
    ("[[edge]]\njob = 'a'\nwindow = 'all'", r":1: edge\[0\]\.reads: is missing", "an edge from nothing"),
    ("[[edge]]\njob = 'a'\nreads = 'b'", r":1: edge\[0\]\.window: is missing", "an edge without a window"),
    ("[[edge]]\njob = 'a'\nreads = 'b'\nwindow = 'daily'", r":4: edge\[0\]\.window: not a window: 'daily'", "a bad window"),
    ("[[edge]]\njob = 'a'\nreads = 'b'\nwindow = [0, -6]", r":4: edge\[0\]\.window: not a window", "a window backwards"),
    (
        "[[edge]]\njob = 'a'\nreads = 'b'\nwindow = 'all'\nuntil = 'now'",
        r":5: edge\[0\]\.until: must be one of latest",
        "bad until",
    ),
    ("[[orchestrator]]\njobs = '*'", r":1: orchestrator\[0\]\.kind: is missing", "no kind"),
    ("[[orchestrator]]\njobs = '*'\nkind = 'cron'", r":3: orchestrator\[0\]\.kind: must be one of command", "bad kind"),
    ("[[orchestrator]]\njobs = '*'\nkind = 'command'", r":1: orchestrator\[0\]\.command: is missing", "no command"),
    ("[[orchestrator]]\njobs = '*'\nkind = 'command'\ncommand = 'x'", r":4: orchestrator\[0\]\.command", "a text for a command"),
    ("[[catalog]]\ntype = 'rest'", r":1: catalog\[0\]\.name: is missing", "no name of a catalog"),
    ("[[catalog]]\nname = 'c'\ntype = 'csv'", r":3: catalog\[0\]\.type: must be one of sql", "a bad type of catalog"),
    ("[[catalog]]\nname = 'c'\ntype = 'rest'", r":1: catalog\[0\]\.uri: is missing", "a catalog nowhere"),
    ("[[catalog]]\nname = 'c'\nuri = 'pg://me:x@h/d'", r":3: catalog\[0\]\.uri: holds a password", "a password in an address"),
    (
        "[[catalog]]\nname = 'c'\nproperties = { 's3.secret-access-key' = 'x' }",
        r":3: catalog\[0\]\.properties: 's3.secret-access-key' is a secret",
        "a secret of a catalog",
    ),
    ("[policy]\nmax_bytes = '1 TebiByte'", r":2: policy\.max_bytes: not a size", "a bad size"),
    ("[policy]\nmax_bytes = 1.5", r":2: policy\.max_bytes: must be a size", "a broken size"),
    ("[policy]\nmax_objects = -1", r":2: policy\.max_objects: must be a whole number", "a negative cap"),
    ("[policy]\nquarantine = 's3://b'", r":2: policy\.quarantine", "a quarantine without a prefix"),
    ("[home]\nurl = ''", r":2: home\.url: must not be empty", "an empty home"),
]


@pytest.mark.parametrize(("text", "message"), [pytest.param(text, message, id=name) for text, message, name in BAD])
def test_what_is_wrong_is_named_by_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _load(text)
    assert caught.value.message.startswith(str(tmp_path / "incident.toml"))
    assert caught.value.exit_code == USAGE
    assert caught.value.hint


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        _load("[[dataset]]\nmatch = 'a'\npartion = false")
    assert caught.value.hint == "did you mean 'partition'?"


@pytest.mark.parametrize("content", [b"\x00\xff\xfe", b"PAR1\x80\x81"])
def test_a_binary_file_is_said_to_be_one(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"not a text file in UTF-8|not valid TOML"):
        _load(content)


def test_a_file_that_is_named_must_be_there_and_be_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no configuration file"):
        load("nope.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path))


def test_a_layout_may_come_from_another_entry_that_meets_the_nominal_one() -> None:
    config = _load("[[dataset]]\nmatch = 's3://lake/*'\nnominal = true\n[[dataset]]\nmatch = 's3://lake/a'\npartition = 'dt=%Y'\n")
    assert config.declarations.dataset(DatasetId("s3://lake", "a")).nominal is True


def test_a_time_zone_goes_with_the_layout_of_another_entry() -> None:
    config = _load(
        "[[dataset]]\nmatch = 's3://lake/*'\npartition = 'dt=%Y-%m-%d'\ntimezone = 'Europe/Stockholm'\n"
        "[[dataset]]\nmatch = 's3://lake/a'\npartition = 'month=%Y-%m'\n[[dataset]]\nmatch = 's3://lake/b'\ntimezone = 'UTC'\n"
    )
    stockholm = ZoneInfo("Europe/Stockholm")
    rules = [config.declarations.dataset(DatasetId("s3://lake", name)).partition for name in "abc"]
    assert rules == [Layout("month=%Y-%m", stockholm), Layout("dt=%Y-%m-%d"), Layout("dt=%Y-%m-%d", stockholm)]
