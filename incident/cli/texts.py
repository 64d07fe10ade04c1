"""Options that were not given, and those that are text, taken as they are: newer typers load pydantic to make a text of a text.

That is half of the start of a quick command. Whatever is neither, typer converts as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer


def take_texts_as_they_are(parameters: Iterable[Any]) -> None:
    """Let texts, lists of them, and what was not given pass. Called before each parsing, and done once."""
    for one in parameters:
        described = getattr(one, "type_descriptor", None)  # older typers have none, and need no pydantic
        if described is not None and "process_value" not in vars(one):
            plain = described.annotation in {str, list[str]} and not described.is_choice and described.parameter_info.parser is None
            one.process_value = _taking(one, one.process_value, plain=plain)


def _taking(parameter: Any, convert: Callable[[Any, Any], Any], *, plain: bool) -> Callable[[Any, Any], Any]:
    many = parameter.nargs == -1 or getattr(parameter, "multiple", False)

    def taken(ctx: Any, value: Any) -> Any:
        if value is None and not parameter.required:
            value = () if many else None
        elif plain and _is_text(value, many=many):
            if not all(map(_printable, value if many else [value])):
                raise typer.BadParameter("it is not text in UTF-8", ctx=ctx, param=parameter)
            value = list(value) if many else value
        else:
            return convert(ctx, value)
        return value if parameter.callback is None else parameter.callback(ctx, parameter, value)

    return taken


def _is_text(value: Any, *, many: bool) -> bool:
    if many:
        return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _printable(text: str) -> bool:
    """Whether it can be written: bytes of a command line that are no text arrive as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
