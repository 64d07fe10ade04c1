"""The JSON field of a pointer: exactly its own text is replaced, whatever the document looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident.pointers.json_field import JsonField
from incident.pointers.port import PointerUnreadable

LETTERS = st.sampled_from('ab"\\ {}[]:,é😀\t')
NAMES = st.text(LETTERS, min_size=1, max_size=4)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(LETTERS, max_size=6)
DOCUMENTS = st.dictionaries(
    NAMES, st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)
)


@given(DOCUMENTS, NAMES, st.text(LETTERS, max_size=5), st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_a_swap_there_and_back_restores_every_byte(
    document: dict[str, Any], name: str, value: str, indent: int | str | None, ascii_only: bool
) -> None:
    document[name] = "now"
    data = json.dumps({"outer": [1, document]}, indent=indent, ensure_ascii=ascii_only).encode()
    field = JsonField(f"outer.1.{name}")
    before = field.value(data)
    assert before == '"now"'
    made = field.written(data, field.spelled(value, before))
    assert json.loads(made) == {"outer": [1, {**document, name: value}]}
    assert field.beside(made) == field.beside(data)
    assert field.written(made, before) == data


@pytest.mark.parametrize(
    ("field", "document", "value"),
    [
        ("version", b'{"version": "41"}', '"41"'),
        ("version", b' {"a":{"version":1},"version" :\t4.10e1 } ', "4.10e1"),
        ("/a~1b/m~0n/0", b'{"a/b": {"m~n": [true]}}', "true"),
        ("a.b", b'{"a.b": 1, "a": {"b": 2}}', "2"),
        ("/a.b", b'{"a.b": 1, "a": {"b": 2}}', "1"),
        ("", b'{"": 3}', "3"),
        ("version", b'\xef\xbb\xbf{"version": null}', "null"),
        ("version", b'{"\\u0076ersion": 5}', "5"),
        ("missing", b'{"version": 5}', None),
        ("version.deeper", b'{"version": 5}', None),
        ("list.1", b'{"list": [1]}', None),
        ("list.01", b'{"list": [1, 2]}', None),
        ("list.0", b'{"list": [{"x": [1, {}]}, 2]}', '{"x": [1, {}]}'),
    ],
)
def test_fields_are_found_by_names_and_by_pointers(field: str, document: bytes, value: str | None) -> None:
    assert JsonField(field).value(document) == value


@pytest.mark.parametrize(
    "document", [b"", b"nonsense", b'{"version": 1,}', b"\xff", b'{"version": 1, "version": 2}', b"[" * 100_000]
)
def test_what_is_no_unambiguous_json_is_refused(document: bytes) -> None:
    with pytest.raises(PointerUnreadable):
        JsonField("version").value(document)


def test_a_value_keeps_the_kind_that_the_field_holds() -> None:
    field = JsonField("version")
    assert field.spelled("41", '"42"') == '"41"'
    assert field.spelled("41", "42") == "41"
    assert field.plain('"41"') == field.plain("41") == "41"
    with pytest.raises(PointerUnreadable):
        field.spelled("latest", "42")
    with pytest.raises(PointerUnreadable):
        field.spelled("true", "42")


def test_a_value_cannot_write_more_than_itself() -> None:
    with pytest.raises((PointerUnreadable, ValueError)):
        JsonField("version").written(b'{"version": 1}', '2, "other": 3')
    with pytest.raises(PointerUnreadable):
        JsonField("missing").written(b'{"version": 1}', "2")
    with pytest.raises(PointerUnreadable):
        JsonField("version").written(None, "2")
