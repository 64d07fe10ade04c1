"""What a command hands back: data for scripts, a screen for people, problems, and what to type next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incident.errors import OK

if TYPE_CHECKING:
    from rich.console import RenderableType

    Screen = RenderableType | Callable[[], RenderableType] | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person has to know about: a code for scripts, what happened, and the command that helps."""

    code: str
    message: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "hint": self.hint}


@dataclass
class Report:
    """A command's outcome. ``text`` is what a person sees: a string (printed as it is, without markup), anything rich can
    render, or a callable that makes one (called only when there is a person to see it). ``exit_code`` is CONTRACT's.
    """

    data: dict[str, Any] = field(default_factory=dict)
    text: Screen = None
    problems: list[Problem] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    exit_code: int = OK
    incident: str | None = None


def printable(text: str) -> str:
    """Text from outside for a screen: control characters, which could steer the terminal, become visible."""
    if text.isprintable():  # nearly all is, and looking at each character is no haste
        return text
    return "".join(char if char in "\n\t" or char.isprintable() else repr(char)[1:-1] for char in text)
