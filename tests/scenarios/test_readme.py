"""Everything in the README runs: its two commands from a clean clone, and its walk through an incident as typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from incident.cli.app import commands
from incident.config import load
from incident.errors import CREDENTIALS, DRIFTED, FAILED, INPUT_NEEDED, INTERRUPTED, OK, PENDING, UNVERIFIED, UNWRITABLE, USAGE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
SET_UP, TEST, *WALK = SHELL
BASH, GIT = str(shutil.which("bash")), str(shutil.which("git"))


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would lead the shell to another configuration or home."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("INCIDENT_", "AWS_", "PYTEST_", "COV_"))}
    return {**mine, **more}


def bash(script: str, folder: Path, **more: str) -> str:
    ran = subprocess.run(
        [BASH, "-euo", "pipefail", "-O", "expand_aliases", "-c", script],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return ran.stdout


def clone(folder: Path) -> Path:
    """A clean clone: what git tracks, as it is in the working tree."""
    names = subprocess.run([GIT, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, folder / "clone" / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return folder / "clone"


def test_the_first_command_sets_up_and_plays_the_demo_from_a_clean_clone(tmp_path: Path) -> None:
    shown = bash(SET_UP, clone(tmp_path), HOME=str(tmp_path / "home"))
    assert "incident verify" in shown
    assert "agree" in shown


def test_the_second_command_is_what_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', TEST.strip()]


def test_the_walk_works_as_typed(tmp_path: Path) -> None:
    shims = tmp_path / "bin"
    shims.mkdir()
    (shims / "incident").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m incident.cli.main "$@"\n', encoding="utf-8")
    (shims / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    for shim in shims.iterdir():
        shim.chmod(0o755)
    ended = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    shown = bash(
        ended + "\n".join(WALK),
        tmp_path,
        PATH=f"{shims}{os.pathsep}{os.environ['PATH']}",
        PYTHONPATH=str(ROOT),
        HOME=str(tmp_path / "home"),
    )
    assert "TAINTED" in shown
    assert "is closed" in shown
    assert "orders in cents again" in (tmp_path / "shop" / "post-mortem-2.md").read_text(encoding="utf-8")


def test_the_configuration_shown_is_valid(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert tomllib.loads(shown)
    path = tmp_path / "incident.toml"
    path.write_text(shown, encoding="utf-8")
    assert load(str(path)).declarations.datasets


def registered() -> list[str]:
    found = []
    for name, one in commands.items():
        found += [f"{name} {inner}" for inner in one.commands] if hasattr(one, "commands") else [name]
    return found


@pytest.mark.parametrize("name", registered())
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"`incident {name}`" in README


def test_no_other_command_is_in_the_readme() -> None:
    named = set(re.findall(r"^\| `incident .*?\|", README, re.MULTILINE))
    told = {name for row in named for name in re.findall(r"`incident ([a-z -]+)`", row)}
    assert told - {"timeline"} == set(registered())


def test_every_exit_code_is_in_the_readme() -> None:
    codes = [OK, FAILED, USAGE, INPUT_NEEDED, CREDENTIALS, DRIFTED, UNVERIFIED, UNWRITABLE, PENDING, INTERRUPTED]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)] == codes
