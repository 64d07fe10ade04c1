"""Sizes in bytes as people write and read them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtpe]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}


def parse_size(text: str) -> int:
    """Bytes for ``500``, ``1 TiB``, ``20 GB`` or ``1.5GiB``; B units are decimal, iB units binary. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"not a size: {text!r}; write it like 500 MB or 1 TiB")
    number, unit, binary = match[1], match[2].lower(), bool(match[3])
    factor = (1024 if binary else 1000) ** _POWERS[unit]
    return int(number) * factor if number.isdigit() else int(float(number) * factor)


def render_size(size: int) -> str:
    """``0 B``, ``1.5 KiB``, ``3.2 TiB``."""
    if abs(size) < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        value /= 1024
        if abs(value) < 1023.95 or unit == "EiB":
            return f"{value:.1f} {unit}"
    raise AssertionError(size)
