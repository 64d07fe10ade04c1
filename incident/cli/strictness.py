"""What the parser would take without a word: an option given twice, of which the last would count, and an option that is empty.

Both come from scripts, and both would quietly choose something else than was meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import typer


def given_once(parser: Any, ctx: Any, args: list[str]) -> list[Any]:
    """The options on a command line. Raises BadParameter when one that says one thing is given twice."""
    options = Counter(one for one in parser.parse_args(list(args))[2] if one.param_type_name == "option")
    for option, times in options.items():
        if times > 1 and not option.multiple and not option.is_flag:
            raise typer.BadParameter(f"it is given {times} times, and only one can count", ctx=ctx, param=option)
    return list(options)


def not_empty(options: Iterable[Any], ctx: Any) -> None:
    """Raises BadParameter for an option without a value: an unset variable, most likely."""
    for option in options:
        value = ctx.params.get(option.name)
        if not (value if isinstance(value, str) else all(value) if isinstance(value, list | tuple) else True):
            raise typer.BadParameter("it is empty; is a variable not set?", ctx=ctx, param=option)
