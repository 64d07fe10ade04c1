"""An object whose whole content is the value: ``s3://lake/serving/CURRENT``, a model's alias in a file."""

from __future__ import annotations

from incident.pointers.port import PointerUnreadable


class Text:
    """The codec of a text object. The value is all of the text, its last line break included."""

    def value(self, data: bytes) -> str | None:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise PointerUnreadable(f"it does not hold text in UTF-8: {error}") from error

    def written(self, data: bytes | None, value: str) -> bytes:
        del data
        return value.encode()

    def beside(self, data: bytes) -> str:
        del data
        return ""

    def spelled(self, text: str, like: str | None) -> str:
        """With the line break at its end that the present text has."""
        ending = "" if like is None else like[len(like.rstrip("\r\n")) :]
        return text.rstrip("\r\n") + ending

    def plain(self, value: str) -> str:
        return value.strip()
