"""Which data a tree of Luigi tasks reads and writes, by asking the tasks themselves; none of them is run.

``luigi:MODULE:TASK`` or ``luigi:MODULE:TASK(param=value, …)``: the module is imported from the current folder (so its top level
runs, as under ``luigi --module``), the task is made with the values as Luigi's own command line would read them, and ``requires()``
and ``output()`` are walked. A value that holds a comma stands in quotes: ``luigi:jobs.daily:Report(date=2026-11-18, shops="a,b")``.

A task's outputs are the datasets it writes, and the outputs of what it requires are those it reads; a task without outputs passes
on what it requires. Targets are taken by their path: ``LocalTarget`` as a local file, others by their URL (``S3Target``). The job
is the task's family in the namespace ``luigi``. All of this is static lineage: Luigi keeps no history of runs that could be read,
and ``complete()`` is never called, because it asks the storage. So dependencies that a ``run()`` yields are not seen, and a chain
of requirements without end is followed for ``LIMIT`` tasks.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import sysconfig
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from lineage.datasets import JobId
from lineage.errors import SourceUnreadable
from lineage.events import DatasetRef, Event
from lineage.periods import parse_period
from lineage.sources import Problems, Remote, Skipped
from lineage.sources.uris import reference
from lineage.timestamps import from_datetime

LIMIT = 10_000
"""How many tasks of a tree are looked at, the nearest to the root first."""

_SOURCE = re.compile(r"luigi:(?P<module>[\w.]+):(?P<task>[\w.]+)(?:\((?P<params>.*)\))?", re.DOTALL)
_PARAM = re.compile(r"""\s*([\w-]+)\s*=\s*("[^"]*"|'[^']*'|[^,"']*)\s*(?:,|$)""")
_FORM = "write luigi:MODULE:TASK(param=value), for example luigi:jobs.daily:Report(date=2026-11-18)"


def read(source: str, problems: Problems, *, remote: Remote | None, progress: Callable[[str], None]) -> Iterator[Event]:
    """A static event for each task that reads or writes data. Raises SourceUnreadable, with the place in the user's own code."""
    del remote
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise SourceUnreadable(f"lineage source {source!r}: not a Luigi task", _FORM)
    module, name, params = match["module"], match["task"], _params(source, match["params"] or "")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Luigi's own, about settings of its scheduler
            luigi: Any = importlib.import_module("luigi")
    except ImportError:
        raise SourceUnreadable(
            f"lineage source {source!r}: Luigi is not installed beside this program",
            "pip install luigi, where incident is installed",
        ) from None
    progress(source)
    with _user_code(source):
        loaded = importlib.import_module(module)
    made = _attribute(loaded, name)
    if not _is_task(made, luigi):
        found = sorted(key for key, one in vars(loaded).items() if _is_task(one, luigi))
        raise SourceUnreadable(f"{module} has no Luigi task {name}", f"its tasks: {', '.join(found) or 'none'}")
    if unknown := sorted(params.keys() - {key for key, _ in made.get_params()}):
        known = ", ".join(key for key, _ in made.get_params()) or "none"
        raise SourceUnreadable(f"{module}:{name} has no parameter {unknown[0]}", f"its parameters: {known}")
    with _user_code(source):
        root = made.from_str_params(params)
    yield from _Tree(source, luigi, problems).events(root)


def _attribute(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def _is_task(value: Any, luigi: Any) -> bool:
    return isinstance(value, type) and issubclass(value, luigi.Task)


def _params(source: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip()):
        match = _PARAM.match(text, at)
        if match is None:
            raise SourceUnreadable(f"lineage source {source!r}: parameters end in {text[at:].strip()!r}", _FORM)
        value = match[2].strip()
        found[match[1].replace("-", "_")] = value[1:-1] if value[:1] in {'"', "'"} else value
        at = match.end()
    return found


class _Tree:
    """The tasks below one root, and what they say of themselves."""

    def __init__(self, source: str, luigi: Any, problems: Problems) -> None:
        self.source, self.luigi, self.problems = source, luigi, problems
        self.deps: dict[str, list[Any]] = {}
        self.outputs: dict[str, list[Any]] = {}
        self.unusable: set[str] = set()

    def events(self, root: Any) -> Iterator[Event]:
        tasks = {root.task_id: root}
        waiting = deque([root])
        while waiting:
            one = waiting.popleft()
            for dep in self._ask(one):
                if dep.task_id in tasks:
                    continue
                if len(tasks) >= LIMIT:
                    self._note(f"only the nearest {LIMIT} tasks of the tree were looked at")
                    if dep.task_id not in self.outputs:
                        self._ask(dep)  # what the nearest ones read is still known
                    continue
                tasks[dep.task_id] = dep
                waiting.append(dep)
        for one in tasks.values():
            if isinstance(one, self.luigi.ExternalTask):
                continue  # says that data comes from elsewhere, and makes none
            inputs = tuple(dict.fromkeys(ref for dep in self.deps[one.task_id] for ref in self._made(dep)))
            outputs = tuple(self._references(one))
            if not outputs:
                continue  # passes on what it requires
            key, nominal = _period(self.luigi, one)
            job = JobId("luigi", one.get_task_family())
            yield Event(0, "OTHER", None, job, inputs, outputs, nominal, key, said_by="luigi")

    def _ask(self, task: Any) -> list[Any]:
        """What a task requires; its outputs are kept beside."""
        flatten: Callable[[Any], list[Any]] = self.luigi.task.flatten
        with _user_code(self.source):
            required, outputs = task.deps(), flatten(task.output())
        deps = [one for one in required if isinstance(one, self.luigi.Task)]
        if len(deps) < len(required):
            self._note(f"{task.get_task_family()} requires something that is not a task")
        self.deps[task.task_id], self.outputs[task.task_id] = deps, outputs
        return deps

    def _made(self, task: Any) -> list[DatasetRef]:
        """What a task provides: its outputs, or else what those it requires provide."""
        found: list[DatasetRef] = []
        waiting, seen = [task], {task.task_id}
        while waiting:
            one = waiting.pop()
            if self.outputs.get(one.task_id):
                found += self._references(one)
                continue
            more = [dep for dep in self.deps.get(one.task_id, []) if dep.task_id not in seen]
            seen.update(dep.task_id for dep in more)
            waiting += more
        return found

    def _references(self, task: Any) -> list[DatasetRef]:
        found = []
        for target in self.outputs.get(task.task_id, []):
            path = getattr(target, "path", None)
            text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
            local = isinstance(target, self.luigi.LocalTarget) and "://" not in text
            made = reference(f"file://{os.path.abspath(text)}" if local and text else text)  # noqa: PTH100 - keeps links as named
            if made is not None:
                found.append(made)
            else:
                kind = type(target).__name__
                self._note(f"{task.get_task_family()} has an output of the kind {kind}, which names no file or URL")
        return found

    def _note(self, reason: str) -> None:
        if reason not in self.unusable:
            self.unusable.add(reason)
            self.problems.noted.append(Skipped(self.source, 0, reason))


def _period(luigi: Any, task: Any) -> tuple[str | None, tuple[int, int] | None]:
    """The partition key and nominal time of a task with exactly one parameter that is a date, a month or an hour."""
    dated = (luigi.DateParameter, luigi.DateHourParameter, luigi.DateIntervalParameter)
    texts = [param.serialize(getattr(task, name)) for name, param in task.get_params() if isinstance(param, dated)]
    period = parse_period(texts[0]) if len(texts) == 1 else None
    if period is None:
        return None, None
    return str(period), (from_datetime(period.start), from_datetime(period.end))


@contextlib.contextmanager
def _user_code(source: str) -> Iterator[None]:
    """Runs code of the user's module: found from the current folder, kept off our stdout, its errors named by file and line."""
    here = os.getcwd()  # noqa: PTH109 - sys.path holds text
    sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (Exception, SystemExit) as error:
        place = _whereabouts(error)
        said = str(error).splitlines()[0] if str(error) else "no message"
        hint = "mend that line, or name another task" if place else f"{_FORM}; modules are looked for from the current folder"
        raise SourceUnreadable(f"lineage source {source!r}: {place}{type(error).__name__}: {said}", hint) from error
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


def _whereabouts(error: BaseException) -> str:
    """``FILE:LINE: `` of the innermost line of the user's own that led to an error; "" where none did."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{os.path.relpath(error.filename)}:{error.lineno}: "
    others = (*sysconfig.get_paths().values(), "<", os.path.dirname(__file__))  # noqa: PTH120 - compared as text
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(others)]
    return f"{os.path.relpath(own[-1].filename)}:{own[-1].lineno}: " if own else ""
