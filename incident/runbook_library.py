"""The runbooks that can be walked: the shipped ones by name, any other by its file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from incident.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from runbooks.format import Runbook

_ENDINGS = (".yaml", ".yml")


def shipped() -> tuple[str, ...]:
    """The names of the shipped runbooks."""
    library = files("runbooks").joinpath("library")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in library.iterdir() if entry.name.endswith(".yaml")))


def text_of(name: str) -> tuple[str, str]:
    """A runbook's text, and what errors call it. Raises UsageError."""
    if name in shipped():
        return files("runbooks").joinpath("library", f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"
    path = Path(name).expanduser()
    if not name.endswith(_ENDINGS) and not path.exists():
        raise UsageError(
            f"There is no runbook {name!r}; shipped: {', '.join(shipped())}", "incident runbook list; or name a YAML file"
        )
    try:
        return path.read_text(encoding="utf-8"), name
    except OSError as error:
        raise UsageError(f"The runbook {name} cannot be read: {error.strerror or error}", "incident runbook list") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The runbook {name} is not a text file in UTF-8", "incident runbook show batch-error") from error


def runbook(name: str) -> Runbook:
    """The runbook of that name or in that file. Raises UsageError, and ConfigError with file and line for one that is invalid."""
    from runbooks.format import read_runbook
    from runbooks.yaml_nodes import RunbookError

    text, source = text_of(name)
    try:
        return read_runbook(text, source)
    except RunbookError as error:
        raise ConfigError(error.message, error.hint, code="runbook") from error
