"""What the plan commands share: which plan to apply, and the consents, each its own flag."""

from __future__ import annotations

from dataclasses import dataclass

from incident.report import Problem, Report

_CONSENTS = ("include", "max_objects", "max_bytes", "skip_refused", "before", "writers_stopped", "pointer")


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """``apply`` is a plan id. ``max_bytes`` as typed (``1 TiB``); ``before`` is an RFC 3339 time, ``pointer`` are ``URL=VALUE``.

    ``engine``: who puts the delete markers, and ``submit`` that it is to begin.
    """

    apply: str | None = None
    include: tuple[str, ...] = ()
    max_objects: int | None = None
    max_bytes: str | None = None
    skip_refused: bool = False
    before: str | None = None
    writers_stopped: bool = False
    pointer: tuple[str, ...] = ()
    detailed_exitcode: bool = False
    engine: str | None = None
    submit: bool = False
    lineage: tuple[str, ...] = ()

    def told(self, report: Report) -> Report:
        """The report, which says so where consents stood beside ``--apply``: a plan holds what was consented to in making it."""
        fields = PlanOptions.__dataclass_fields__
        given = [f"--{name.replace('_', '-')}" for name in _CONSENTS if getattr(self, name) != fields[name].default]
        if self.apply is not None and given:
            words = f"--apply does exactly what {self.apply} says; {' and '.join(given)} beside it changed nothing"
            report.problems.append(Problem("no-effect", words, "to plan with it, leave --apply out"))
        return report
