"""YAML as nodes with their lines, for formats that are read strictly. Pure: text in, nodes out.

Nothing is constructed from tags, and no anchor is ever expanded, so a hostile file costs no more than its own length.
"""

from __future__ import annotations

from collections.abc import Collection

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_MOST_CHARACTERS = 256 * 1024
_DEEPEST = 12


class RunbookError(ValueError):
    """A runbook that cannot be read: file and line, what is wrong, and what is allowed."""

    def __init__(self, source: str, where: Node | int, message: str, hint: str) -> None:
        line = where if isinstance(where, int) else where.start_mark.line + 1
        super().__init__(f"{source}, line {line}: {message}")
        self.message = str(self)
        self.hint = hint
        self.line = line


def compose(text: str, source: str) -> Node:
    """The root node of the only document. Raises RunbookError for anything but plain mappings, lists and scalars."""
    if len(text) > _MOST_CHARACTERS:
        raise RunbookError(source, 1, f"{len(text)} characters are too long for a runbook", f"at most {_MOST_CHARACTERS}")
    try:
        _refuse_cleverness(text, source)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise RunbookError(source, line, f"not YAML: {error.problem or error.context}", "see `incident runbook show`") from None
    except yaml.YAMLError as error:
        raise RunbookError(source, 1, f"not YAML: {str(error).splitlines()[0]}", "see `incident runbook show`") from None
    if root is None:
        raise RunbookError(source, 1, "the file is empty", "see `incident runbook show batch-error` for a runbook")
    return root


def _refuse_cleverness(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if getattr(event, "anchor", None) is not None:
            raise RunbookError(source, line, "anchors and aliases are not allowed", "write it out where it is needed")
        if (tag := getattr(event, "tag", None)) is not None:
            raise RunbookError(source, line, f"the tag {tag} is not allowed", "write plain text, lists and mappings")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise RunbookError(source, line, f"nested deeper than {_DEEPEST} levels", "a runbook needs four")


def mapping_of(
    node: Node, source: str, what: str, *, required: Collection[str] = (), optional: Collection[str] | None = None
) -> dict[str, Node]:
    """Key → node, in the file's order. With neither ``required`` nor ``optional`` any keys are allowed."""
    allowed = [*required, *(optional or ())]
    limited = bool(required) or optional is not None
    if not isinstance(node, MappingNode):
        keys = f"with the keys {', '.join(allowed)}" if allowed else "of names to values"
        raise RunbookError(source, node, f"{what} must be a mapping, not {_kind(node)}", f"write a mapping {keys}")
    found: dict[str, Node] = {}
    for key, value in node.value:
        name = text_of(key, source, "a key")
        if name in found:
            raise RunbookError(source, key, f"the key {name!r} appears twice in {what}", "keep one of them")
        if limited and name not in allowed:
            raise RunbookError(source, key, f"unknown key {name!r} in {what}", f"allowed: {', '.join(allowed) or 'none'}")
        found[name] = value
    for name in required:
        if name not in found:
            raise RunbookError(source, node, f"{what} lacks the key {name!r}", f"add {name}: …")
    return found


def items_of(node: Node, source: str, what: str) -> list[Node]:
    """The nodes of a list."""
    if not isinstance(node, SequenceNode):
        raise RunbookError(source, node, f"{what} must be a list, not {_kind(node)}", "begin each item with '- '")
    return list(node.value)


def text_of(node: Node, source: str, what: str) -> str:
    """A scalar as its author wrote it: ``yes`` stays ``yes`` and ``1.10`` stays ``1.10``, quoted or not. Never empty."""
    if not isinstance(node, ScalarNode):
        raise RunbookError(source, node, f"{what} must be text, not {_kind(node)}", "write one line, or '>' and indented lines")
    text = str(node.value).strip()
    if not text or (node.style is None and text in {"~", "null"}):
        raise RunbookError(source, node, f"{what} is empty", "write it, or leave the key out")
    return text


def _kind(node: Node) -> str:
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode():
            return "a list"
    return "text"
