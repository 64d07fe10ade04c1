"""A TOML table read strictly: every key is known, has the right type, and an error names file, line and key."""

from __future__ import annotations

import difflib
import math
import re
from typing import Any

from incident.errors import ConfigError
from lineage.errors import LineageError

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\"'-]+?)\s*\]\]?\s*(?:#.*)?")


class Table:
    """One table of a configuration file. Each getter takes its key away; ``finish`` complains about what is left."""

    def __init__(self, raw: Any, *, file: str, source: str, name: str = "", index: int | None = None) -> None:
        self.file, self.source, self.name, self.index = file, source, name, index
        if not isinstance(raw, dict):
            raise self.error("", f"must be a table, [{name}], and is {_kind(raw)}")
        self.raw = dict(raw)
        self.keys: list[str] = []

    @property
    def where(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"

    def error(self, key: str, message: str, hint: str = "") -> ConfigError:
        """The error for one key of this table, with its line where it can be found."""
        path = ".".join(part for part in (self.where, key) if part)
        line = self._line(key)
        place = f"{self.file}:{line}" if line else self.file
        return ConfigError(f"{place}: {path}: {message}", hint or "incident doctor")

    def subtable(self, key: str) -> Table:
        """A table within; an empty one where it is absent."""
        return Table(self._take(key, {}), file=self.file, source=self.source, name=key)

    def subtables(self, key: str) -> list[Table]:
        """An array of tables; empty where it is absent."""
        raw = self._take(key, [])
        if not isinstance(raw, list):
            raise self.error(key, f"is a list of entries: write [[{key}]], not [{key}]")
        return [Table(one, file=self.file, source=self.source, name=key, index=index) for index, one in enumerate(raw)]

    def text(self, key: str, *, choices: tuple[str, ...] = ()) -> str | None:
        """A non-empty string, one of the choices if there are any."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(key, f"must be text in quotes, and is {_kind(value)}")
        if not value.strip():
            raise self.error(key, "must not be empty")
        if choices and value not in choices:
            raise self.error(key, f"must be one of {', '.join(choices)}, and is {value!r}")
        return value

    def required(self, key: str, *, choices: tuple[str, ...] = ()) -> str:
        value = self.text(key, choices=choices)
        if value is None:
            raise self.error(key, "is missing")
        return value

    def glob(self, key: str) -> str:
        """A required glob over NAMESPACE/NAME."""
        value = self.required(key)
        inside = re.sub(r"\[!?\]?[^\]]*\]", "", value)
        if "[" in inside:
            raise self.error(key, f"the glob {value!r} has a '[' that is never closed", "write [[] for the character itself")
        return value

    def flag(self, key: str) -> bool | None:
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, f"must be true or false, and is {_kind(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of non-empty strings."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise self.error(key, f'must be a list of texts, such as ["a", "b"], and is {_kind(value)}')
        return tuple(value)

    def whole(self, key: str) -> int | None:
        """A whole number, not negative."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(key, f"must be a whole number that is not negative, and is {_kind(value)}")
        return value

    def seconds(self, key: str) -> float | None:
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
            raise self.error(key, f"must be a number of seconds that is not negative, and is {_kind(value)}")
        return float(value)

    def anything(self, key: str) -> Any:
        """A value of several possible types, which the caller checks."""
        return self._take(key)

    def lineage(self, key: str, error: LineageError) -> ConfigError:
        """A complaint of the lineage package about a key's value."""
        return self.error(key, error.message, error.hint)

    def finish(self) -> None:
        """Raise ConfigError for the first key that nobody asked for."""
        for key in self.raw:
            near = difflib.get_close_matches(key, self.keys, n=1)
            raise self.error(key, "is not a known key", f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self.keys)}")

    def _take(self, key: str, default: Any = None) -> Any:
        self.keys.append(key)
        return self.raw.pop(key, default)

    def _line(self, key: str) -> int | None:
        """The line of a key, found by its spelling, since tomllib keeps none; None when it is written some other way."""
        seen, inside, header = -1, not self.name, None
        for number, line in enumerate(self.source.splitlines(), start=1):
            if match := _HEADER.fullmatch(line):
                inside = match[2] == self.name
                seen += inside
                inside = inside and (self.index is None or seen == self.index)
                header = number if inside else header
                if not self.name and match[2] == key:
                    return number
            elif inside and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
            elif seen < 0 and self.name and re.match(rf"\s*{re.escape(self.name)}\s*[.=]", line):
                header = number
        return header


def _kind(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"the text {value!r}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "an empty list" if not value else f"the list {value!r}"
        case dict():
            return "a table"
    return f"{value!r}"
