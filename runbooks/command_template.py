"""Command templates of orchestrators: an argument list with placeholders. Never goes through a shell, so nothing is quoted.

``{job}`` NAMESPACE/NAME · ``{namespace}`` and ``{name}`` its parts · ``{partition}`` as lineage writes it (``dt=2026-11-18``, ``*``
for an unpartitioned dataset) · ``{start}`` and ``{end}`` RFC 3339 in UTC, the end exclusive · ``{dataset}`` NAMESPACE/NAME of what
is made, joined by commas when one run makes several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

PLACEHOLDERS = ("job", "namespace", "name", "partition", "start", "end", "dataset")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")


class UnknownPlaceholder(ValueError):
    """A template asks for something that we have no value for."""

    def __init__(self, name: str, template: Sequence[str]) -> None:
        super().__init__(f"The command {list(template)} has the unknown placeholder {{{name}}}")
        self.message = str(self)
        self.hint = f"known placeholders: {', '.join(f'{{{known}}}' for known in PLACEHOLDERS)}"


def placeholders(template: Sequence[str]) -> frozenset[str]:
    """The placeholders a template uses. Raises UnknownPlaceholder."""
    used = [name for part in template for name in _PLACEHOLDER.findall(part)]
    for name in used:
        if name not in PLACEHOLDERS:
            raise UnknownPlaceholder(name, template)
    return frozenset(used)


def fill(template: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """The command: each argument with its placeholders replaced once. Raises UnknownPlaceholder."""
    placeholders(template)
    return tuple(_PLACEHOLDER.sub(lambda match: values[match[1]], part) for part in template)
