"""Batches of deletions as bytes: what botocore would write, and what it would read."""

from __future__ import annotations

import boto3
import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from incident.storage.batch_delete import is_result, read_result, written
from incident.storage.s3 import S3Store
from tests.s3_server import LiveBucket

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=12)
MODEL = boto3.client("s3", region_name="us-east-1").meta.service_model.operation_model("DeleteObjects")


@given(st.lists(st.tuples(TEXT, st.just("") | TEXT, st.just("") | TEXT), min_size=1, max_size=5))
def test_a_request_is_what_botocore_would_write(objects: list[tuple[str, str, str]]) -> None:
    from xml.etree import ElementTree as ET

    from botocore.serialize import create_serializer

    given_ = [{n: v for n, v in zip(("Key", "VersionId", "ETag"), one, strict=True) if v} for one in objects]
    theirs = create_serializer("rest-xml").serialize_to_request(
        {"Bucket": "bkt", "Delete": {"Objects": given_, "Quiet": False}}, MODEL
    )["body"]
    ours = ET.fromstring(written(objects))  # noqa: S314  # our own
    assert sorted(plain(ours)) == sorted(plain(ET.fromstring(theirs)))  # noqa: S314


def plain(root: object) -> list[str]:
    """The objects of a request, each with its fields in any order."""
    found = []
    for one in root.iter():  # type: ignore[attr-defined]
        if one.tag.endswith("}Object"):
            found.append(repr(sorted((field.tag, field.text) for field in one)))
        elif one.tag.endswith("}Quiet"):
            found.append(one.text)
    return found


ANSWER = b"""<?xml version="1.0" encoding="UTF-8"?>
<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Deleted><Key>a&amp;b &#233;</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m1</DeleteMarkerVersionId></Deleted>
  <Error><Key>c</Key><VersionId>v2</VersionId><Code>SlowDown</Code><Message>less &lt;please&gt;</Message></Error>
  <Deleted><Key>d</Key><VersionId>v3</VersionId></Deleted>
</DeleteResult>"""


def test_an_answer_is_what_botocore_would_read() -> None:
    assert MODEL.output_shape is not None
    parsed = create_parser("rest-xml").parse({"status_code": 200, "headers": {}, "body": ANSWER}, MODEL.output_shape)
    ours = read_result(ANSWER)
    for kind in ("Deleted", "Errors"):
        theirs = [{name: str(value) for name, value in one.items()} for one in parsed[kind]]
        assert [{**one, **({"DeleteMarker": "True"} if "DeleteMarker" in one else {})} for one in ours[kind]] == theirs


def test_an_error_that_came_as_a_success_is_no_result() -> None:
    assert is_result(ANSWER)
    assert not is_result(b'<?xml version="1.0"?><Error><Code>InternalError</Code></Error>')
    with pytest.raises(ValueError, match=r"closed|element|token"):
        read_result(ANSWER[:-20])


def test_what_is_sent_is_the_whole_batch(bucket: LiveBucket) -> None:
    """Were botocore's own body sent, one key alone would be answered."""
    for number in range(5):
        bucket.put(f"k{number} &<é>", b"1")
    store = S3Store(bucket.endpoint, region="us-east-1")
    etags = {key: versions[0].etag for key, versions in bucket.listing().items()}
    wrong = dict.fromkeys(list(etags)[:2], '"00000000000000000000000000000000"')
    marked = store.put_markers(bucket.name, {**etags, **wrong})
    assert [one.error for one in marked] == ["PreconditionFailed"] * 2 + [None] * 3
    assert [one.marker is not None for one in marked] == [False] * 2 + [True] * 3
    removed = store.remove_versions(bucket.name, [(one.key, one.marker or "") for one in marked[2:]])
    assert [one.error for one in removed] == [None] * 3
    assert [versions[0].is_marker for versions in bucket.listing().values()] == [False] * 5
