"""Whether what the commands said agrees with the lake. Each check returns what it found in words, or raises Unexpected."""

from __future__ import annotations

import re
from typing import Any

from incident.demo.session import Unexpected

_HINT = "incident demo --keep DIR, to look at it"

Audit = dict[str, Any]
"""``findings`` and ``versions`` as ``python -m incident.demo.lake audit`` prints them."""


def same_cells(blast: dict[str, Any], audit: Audit) -> str:
    """The radius names exactly the partitions whose figures are wrong."""
    tainted = {(cell["dataset"]["name"], cell["partition"]) for cell in blast["cells"] if cell["state"] == "TAINTED"}
    wrong = {(found["dataset"], one) for found in audit["findings"] for one in found["wrong"]}
    compared = sum(found["compared"] for found in audit["findings"])
    if tainted != wrong:
        only = sorted("@".join(cell) for cell in tainted ^ wrong)
        raise Unexpected(f"the radius and the wrong partitions differ in {', '.join(only)}", _HINT)
    return f"these {len(tainted)} tainted partitions, of {compared} compared, are exactly those that differ from the raw orders"


def all_right(audit: Audit) -> str:
    """Every figure is what the raw orders say."""
    wrong = [f"{found['dataset']}@{one}" for found in audit["findings"] for one in found["wrong"]]
    if wrong:
        raise Unexpected(f"not what the raw orders say: {', '.join(wrong)}", _HINT)
    compared = sum(found["compared"] for found in audit["findings"])
    return f"all {compared} partitions, made again from the raw orders by other code, hold the same figures"


def affected_only(blast: dict[str, Any], before: Audit, after: Audit) -> str:
    """Nothing outside the radius has changed, and no version is lost."""
    prefixes = tuple(
        f"{cell['dataset']['name']}/" + ("" if cell["partition"] == "*" else f"{cell['partition']}/")
        for cell in blast["cells"]
        if cell["state"] == "TAINTED"
    )
    old, new = before["versions"], after["versions"]
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    if strayed := sorted(key for key in changed if not key.startswith(prefixes)):
        raise Unexpected(f"objects outside the radius have changed: {', '.join(strayed[:5])}", _HINT)
    lost = [f"{key} {one[0]}" for key, found in old.items() for one in found if one not in new.get(key, [])]
    if lost:
        raise Unexpected(f"object versions are lost: {', '.join(lost[:5])}", _HINT)
    kept = sum(len(found) for found in old.values())
    clean = len(old.keys() - changed)
    return f"{clean} objects of clean partitions have the versions they had, and none of the lake's {kept} versions is lost"


def figures_agree(timeline: dict[str, Any], report: str, reached: int, before: Audit, after: Audit) -> str:
    """What the timeline and the post-mortem say was removed is what the bucket's listing shows; ``reached``: partitions."""
    removed = [one["evidence"] for one in timeline["events"] if one["kind"] == "applied" and one["evidence"]["phase"] == "purge"]
    told = sum(evidence["objects"] for evidence in removed)
    markers = _markers(after) - _markers(before)
    if told != markers:
        raise Unexpected(f"the timeline says {told} objects were purged, the bucket holds {markers} delete markers more", _HINT)
    for what, figure in (("Purged, recoverably", markers), ("Partitions reached", reached)):
        row = re.search(rf"^\| {what} \| ([\d,]+)", report, re.MULTILINE)
        if row is None or int(row[1].replace(",", "")) != figure:
            raise Unexpected(f"the post-mortem's row {what!r} says {row and row[1]}, and {figure} is right", _HINT)
    return f"timeline and post-mortem say that {told} objects were purged, and the bucket holds that many delete markers"


def _markers(audit: Audit) -> int:
    return sum(is_marker for found in audit["versions"].values() for _, is_marker in found)
