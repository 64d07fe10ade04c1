"""A manifest of Hive's SymlinkTextInputFormat: one data file a line, ``_symlink_format_manifest/dt=2026-11-18/manifest``."""

from __future__ import annotations

from incident.pointers.text import Text


class SymlinkManifest(Text):
    """The codec of a manifest. The value is its text; what it points at is every file it lists."""

    def spelled(self, text: str, like: str | None) -> str:
        """An operator may write the files with commas or spaces between them."""
        files = text.replace(",", " ").split()
        return super().spelled("\n".join(files), like or "\n")
