"""Reading ListObjectVersions pages: order, ties, encodings."""

from __future__ import annotations

import pytest

from incident.storage.listing import Page, histories, read_page


def item(kind: str, key: str, version: str, when: str, *, latest: bool = False) -> str:
    return (
        f"<{kind}><Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>{str(latest).lower()}</IsLatest>"
        f"<LastModified>{when}</LastModified><ETag>&quot;e{version}&quot;</ETag><Size>1</Size>"
        f"<Owner><ID>someone</ID></Owner></{kind}>"
    )


def page(*items: str, extra: str = "") -> Page:
    body = f'<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{extra}{"".join(items)}</ListVersionsResult>'
    return read_page(body.encode())


def test_markers_stand_where_the_server_listed_them_even_within_one_second() -> None:
    second = "2026-11-15T10:00:00.000Z"
    [history] = histories(
        [
            page(
                item("Version", "k", "4", "2026-11-15T11:00:00.000Z", latest=True),
                item("DeleteMarker", "k", "3", second),
                item("Version", "k", "2", second),
                item("DeleteMarker", "k", "1", second),
            )
        ]
    )
    assert [one.version_id for one in history.versions] == ["4", "3", "2", "1"]
    assert history.ordered


def test_two_groups_are_merged_by_time_and_a_tie_is_admitted() -> None:
    [history] = histories(
        [
            page(
                item("Version", "k", "2", "2026-11-15T10:00:00.000Z"),
                item("Version", "k", "1", "2026-11-15T09:00:00.000Z"),
                item("DeleteMarker", "k", "m2", "2026-11-15T11:00:00.000Z", latest=True),
                item("DeleteMarker", "k", "m1", "2026-11-15T09:30:00.000Z"),
            )
        ]
    )
    assert [one.version_id for one in history.versions] == ["m2", "2", "m1", "1"]
    assert history.ordered
    [tied] = histories(
        [
            page(
                item("Version", "k", "2", "2026-11-15T10:00:00.000Z", latest=True),
                item("Version", "k", "1", "2026-11-15T09:00:00.000Z"),
                item("DeleteMarker", "k", "m1", "2026-11-15T09:00:00.000Z"),
            )
        ]
    )
    assert tied.top.version_id == "2"
    assert not tied.ordered


def test_two_groups_over_several_keys_are_put_together_key_by_key() -> None:
    found = histories(
        [
            page(
                item("Version", "a", "1", "2026-11-15T09:00:00.000Z"),
                item("Version", "b", "2", "2026-11-15T09:00:00.000Z"),
                item("DeleteMarker", "a", "m1", "2026-11-15T10:00:00.000Z", latest=True),
                item("DeleteMarker", "b", "m2", "2026-11-15T10:00:00.000Z", latest=True),
            )
        ]
    )
    assert [(one.key, [version.version_id for version in one.versions]) for one in found] == [
        ("a", ["m1", "1"]),
        ("b", ["m2", "2"]),
    ]


def test_a_key_may_go_on_over_pages_that_hold_only_markers() -> None:
    pages = [
        page(item("DeleteMarker", "k", "3", "2026-11-15T12:00:00Z", latest=True)),
        page(item("DeleteMarker", "k", "2", "2026-11-15T11:00:00Z")),
        page(item("Version", "k", "1", "2026-11-15T10:00:00Z"), item("Version", "l", "9", "2026-11-15T10:00:00Z", latest=True)),
    ]
    found = {history.key: [one.version_id for one in history.versions] for history in histories(pages)}
    assert found == {"k": ["3", "2", "1"], "l": ["9"]}


def test_keys_are_decoded_only_where_the_server_says_that_it_encoded_them() -> None:
    encoded = item("Version", "a+b%01%2Bc", "1", "2026-11-15T10:00:00Z", latest=True)
    plain = item("Version", "a+b%2Bc", "1", "2026-11-15T10:00:00Z", latest=True)
    assert page(encoded, extra="<EncodingType>url</EncodingType>").entries[0].key == "a b\x01+c"
    assert page(plain).entries[0].key == "a+b%2Bc"


def test_versions_of_a_bucket_that_had_none_are_null() -> None:
    body = "<ListVersionsResult><Version><Key>k</Key><VersionId></VersionId><LastModified>2026-11-15T10:00:00Z</LastModified>"
    found = read_page(f"{body}<IsLatest>true</IsLatest><Size>1</Size></Version></ListVersionsResult>".encode())
    assert found.entries[0].version.version_id == "null"


def test_a_listing_that_is_not_xml_is_an_error_and_not_an_empty_one() -> None:
    for body in (b"", b"<ListVersionsResult>", b"<a>\x01</a>", b"<a><Version><Key>k</Key></Version></a>"):
        with pytest.raises(ValueError, match=r"."):
            read_page(body)
