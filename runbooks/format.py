"""The runbook format: a small YAML file whose steps say what is done, why, and which question is answered before.

    name: batch-error
    title: A batch job has written bad data
    params:
      contained: {description: "yes: the downstream jobs are held", type: yes/no}
    steps:
      - id: contain
        verb: manual
        why: Jobs that read bad data make more of it.
        gate: {kind: manual, ask: Are the downstream jobs held?, param: contained}
      - {id: purge, verb: purge, why: Bad data goes away., gate: plan, with: {include: "{include}"}}

Reading is strict, because a misspelt gate that is ignored is a gate that is open: unknown keys and verbs, duplicate keys and
ids, wrong types, anchors, aliases and tags are refused with file and line and with what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from yaml.nodes import Node

from runbooks.yaml_nodes import RunbookError, compose, items_of, mapping_of, text_of

Verb = Literal["manual", "revert", "fix", "purge", "backfill", "verify", "close", "note", "status", "blast"]
GateKind = Literal["plan", "manual"]
ParamType = Literal["text", "yes/no", "list"]

_PLANNING: dict[str, ParamType] = {"include": "list", "skip_refused": "yes/no"}
_CAPS: dict[str, ParamType] = {"max_objects": "text", "max_bytes": "text"}
OPTIONS: Mapping[Verb, Mapping[str, ParamType]] = {
    "manual": {},
    "revert": {**_PLANNING, **_CAPS, "before": "text", "writers_stopped": "yes/no", "pointer": "list"},
    "fix": {"code_version": "text", "good_from": "text", "text": "text"},
    "purge": {**_PLANNING, **_CAPS, "writers_stopped": "yes/no"},
    "backfill": _PLANNING,
    "verify": {},
    "close": {"unverified": "text"},
    "note": {"text": "text", "kind": "text"},
    "status": {},
    "blast": {},
}
"""What a step may say under ``with``, for each verb."""

PLANNED: frozenset[Verb] = frozenset({"revert", "purge", "backfill"})
"""The verbs that show a plan, and so may (and must) have a plan gate."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_REFERENCE = re.compile(r"\{([a-z][a-z0-9_-]*)\}")


@dataclass(frozen=True, slots=True)
class Param:
    """Something the person who runs the book may give with ``--param NAME=VALUE``."""

    name: str
    description: str
    type: ParamType = "text"


@dataclass(frozen=True, slots=True)
class Gate:
    """The question answered before a step runs.

    ``plan``: the plan is shown and must be accepted. ``manual``: a person confirms ``ask``; unattended, ``param`` does with "yes".
    """

    kind: GateKind
    ask: str = ""
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. ``options``: what ``with`` says, each a text or the name of a parameter in braces."""

    id: str
    verb: Verb
    why: str
    gate: Gate | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def given(self, params: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """The options with the parameters filled in; an option whose parameter was not given is left out."""
        filled: dict[str, tuple[str, ...]] = {}
        for name, value in self.options.items():
            reference = _REFERENCE.fullmatch(value)
            said = params.get(reference[1], ()) if reference else (value,)
            if said:
                filled[name] = said
        return filled


@dataclass(frozen=True, slots=True)
class Runbook:
    """The ordered steps of an incident."""

    name: str
    title: str
    description: str
    params: tuple[Param, ...]
    steps: tuple[Step, ...]

    def param(self, name: str) -> Param | None:
        return next((param for param in self.params if param.name == name), None)


def read_runbook(text: str, source: str) -> Runbook:
    """The runbook written in ``text``; ``source`` is what errors call it. Raises RunbookError."""
    root = compose(text, source)
    top = mapping_of(root, source, "a runbook", required=("name", "title", "steps"), optional=("description", "params"))
    params = tuple(
        _param(name, node, source)
        for name, node in (mapping_of(top["params"], source, "params") if "params" in top else {}).items()
    )
    declared = {param.name: param for param in params}
    steps: list[Step] = []
    for node in items_of(top["steps"], source, "steps"):
        step = _step(node, source, declared)
        if any(step.id == earlier.id for earlier in steps):
            raise RunbookError(source, node, f"two steps have the id {step.id!r}", "give each step its own id")
        steps.append(step)
    if not steps:
        raise RunbookError(source, top["steps"], "a runbook without steps", "list at least one step")
    description = text_of(top["description"], source, "description") if "description" in top else ""
    return Runbook(
        name=_name(top["name"], source, "name"),
        title=text_of(top["title"], source, "title"),
        description=description,
        params=params,
        steps=tuple(steps),
    )


def _param(name: str, node: Node, source: str) -> Param:
    if not _NAME.fullmatch(name):
        raise RunbookError(source, node, f"not a parameter's name: {name!r}", "use lower-case letters, digits, - and _")
    keys = mapping_of(node, source, f"the parameter {name}", required=("description",), optional=("type",))
    kind = text_of(keys["type"], source, "type") if "type" in keys else "text"
    if kind not in get_args(ParamType):
        raise RunbookError(source, keys["type"], f"unknown parameter type {kind!r}", f"allowed: {', '.join(get_args(ParamType))}")
    return Param(name, text_of(keys["description"], source, "description"), cast("ParamType", kind))


def _step(node: Node, source: str, params: Mapping[str, Param]) -> Step:
    keys = mapping_of(node, source, "a step", required=("id", "verb", "why"), optional=("gate", "with"))
    name = text_of(keys["verb"], source, "verb")
    if name not in OPTIONS:
        raise RunbookError(source, keys["verb"], f"unknown verb {name!r}", f"allowed: {', '.join(OPTIONS)}")
    verb = cast("Verb", name)
    gate = _gate(keys["gate"], source, params) if "gate" in keys else None
    # A verb that changes storage or runs jobs is never reached without somebody having accepted exactly that plan.
    if verb in PLANNED and (gate is None or gate.kind != "plan"):
        raise RunbookError(source, keys.get("gate", node), f"a {verb} step needs gate: plan", "add gate: plan to the step")
    if verb not in PLANNED and gate is not None and gate.kind == "plan":
        raise RunbookError(
            source, keys["gate"], f"a {verb} step shows no plan to accept", f"gate: plan is for {', '.join(sorted(PLANNED))}"
        )
    if verb == "manual" and gate is None:
        raise RunbookError(source, node, "a manual step needs a manual gate: the person's answer is the step", "add a gate")
    return Step(
        id=_name(keys["id"], source, "id"),
        verb=verb,
        why=text_of(keys["why"], source, "why"),
        gate=gate,
        options=_options(keys["with"], source, verb, params) if "with" in keys else {},
    )


def _gate(node: Node, source: str, params: Mapping[str, Param]) -> Gate:
    if node.value == "plan":
        return Gate("plan")
    keys = mapping_of(node, source, "a gate (plan, or a mapping)", required=("kind", "ask"), optional=("param",))
    kind = text_of(keys["kind"], source, "kind")
    if kind != "manual":
        raise RunbookError(source, keys["kind"], f"unknown gate {kind!r}", "allowed: gate: plan, or kind: manual with ask")
    param = text_of(keys["param"], source, "param") if "param" in keys else None
    if param is not None and param not in params:
        raise RunbookError(source, keys["param"], f"no parameter {param!r} is declared", _declared(params))
    if param is not None and params[param].type != "yes/no":
        raise RunbookError(source, keys["param"], f"{param} is no yes or no", f"declare {param} with type: yes/no")
    return Gate("manual", text_of(keys["ask"], source, "ask"), param)


def _options(node: Node, source: str, verb: Verb, params: Mapping[str, Param]) -> dict[str, str]:
    allowed = OPTIONS[verb]
    found: dict[str, str] = {}
    for key, value in mapping_of(node, source, f"the options of a {verb} step", optional=tuple(allowed)).items():
        found[key] = text_of(value, source, key)
        if reference := _REFERENCE.fullmatch(found[key]):
            param = params.get(reference[1])
            if param is None:
                raise RunbookError(source, value, f"no parameter {reference[1]!r} is declared", _declared(params))
            if param.type != allowed[key]:
                raise RunbookError(
                    source,
                    value,
                    f"{key} is of type {allowed[key]}, the parameter {param.name} of type {param.type}",
                    f"declare the parameter with type: {allowed[key]}",
                )
        elif allowed[key] == "yes/no" and found[key] not in {"yes", "no"}:
            raise RunbookError(source, value, f"{key} is {found[key]!r}", "write yes or no, or a parameter in braces")
    return found


def _name(node: Node, source: str, what: str) -> str:
    text = text_of(node, source, what)
    if not _NAME.fullmatch(text):
        raise RunbookError(source, node, f"{what} is {text!r}", "use lower-case letters, digits, - and _, beginning with a letter")
    return text


def _declared(params: Mapping[str, Param]) -> str:
    return f"declared parameters: {', '.join(params)}" if params else "declare it under params"
