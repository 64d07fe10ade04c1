"""Commands before they are made: what the help of their group tells of each, and how to make the one that is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Announced:
    """A command as its group's help lists it, and how to make it."""

    heading: str | None
    help: str
    make: Callable[[], Any]
    group: bool = False


class Commands(Mapping[str, Any]):
    """Commands by name as typer lists them: in the order they were announced, groups last.

    Each is made when it is first asked for, and kept.
    """

    def __init__(self) -> None:
        self.announced: dict[str, Announced] = {}
        self._made: dict[str, Any] = {}

    def announce(self, name: str, one: Announced) -> None:
        self.announced[name] = one

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self.announced[name].make()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.announced, key=lambda name: self.announced[name].group))

    def __len__(self) -> int:
        return len(self.announced)
