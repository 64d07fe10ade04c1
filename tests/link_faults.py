"""What can befall a request to a server that speaks S3, on a ``tests.faulty_link``."""

from __future__ import annotations

import re
import time

from tests.faulty_link import Asked, Fault, Given, Reset

_OBJECT = re.compile(rb"<Object>.*?</Object>", re.DOTALL)
_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


def refused(status: int, code: str) -> Fault:
    """The server answers with an error, and did nothing."""
    return lambda asked: _error(asked, status, code)


def failed_after(status: int, code: str) -> Fault:
    """The server answers with an error, and did it all the same."""

    def fault(asked: Asked) -> Given:
        asked.forward()
        return _error(asked, status, code)

    return fault


def unheard(asked: Asked) -> Given:
    """The connection breaks with half of the request on its way."""
    asked.stream.read(asked.length // 2)
    raise Reset


def unanswered(asked: Asked) -> Given:
    """The request arrives and has its effect, and the connection breaks before the answer."""
    asked.forward()
    raise Reset


def torn(asked: Asked) -> Given:
    """The request has its effect, and the connection breaks in the midst of the answer."""
    given = asked.forward()
    given.cut = len(given.body) // 2
    if not given.body:
        raise Reset
    return given


def silent(seconds: float) -> Fault:
    """The request has its effect, and its answer comes after the client has given up."""

    def fault(asked: Asked) -> Given:
        asked.forward()
        time.sleep(seconds)
        raise Reset

    return fault


def some_keys(code: str, *, done: bool) -> Fault:
    """Every second key of a batch is answered with an error. ``done``: it is deleted all the same. Other requests are refused."""

    def fault(asked: Asked) -> Given:
        if not asked.is_batch:
            return failed_after(500, code)(asked) if done else _error(asked, 500, code)
        objects = _OBJECT.findall(asked.body)
        chosen = objects[::2]
        keys = [_KEY.search(one)[1] for one in chosen]  # type: ignore[index]
        if done:
            given = asked.forward()
            said = re.findall(rb"<Deleted>.*?</Deleted>", given.body, re.DOTALL)
            for one in said:
                if any(b"<Key>" + key + b"</Key>" in one for key in keys):
                    given.body = given.body.replace(one, b"")
        elif len(chosen) < len(objects):
            body = asked.body
            for one in chosen:
                body = body.replace(one, b"")
            given = asked.forward(body)
        else:
            given = Given(200, {"Content-Type": "application/xml"}, b"<DeleteResult></DeleteResult>", 0)
        errors = b"".join(
            b"<Error><Key>%b</Key><Code>%b</Code><Message>no</Message></Error>" % (key, code.encode()) for key in keys
        )
        assert b"</DeleteResult>" in given.body, given.body
        given.body = given.body.replace(b"</DeleteResult>", errors + b"</DeleteResult>")
        given.length = len(given.body)
        return given

    return fault


def _error(asked: Asked, status: int, code: str) -> Given:
    _ = asked.body  # or what is left of it would be taken for the next request
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as the test wants</Message></Error>".encode()
    return Given(status, {"Content-Type": "application/xml"}, b"" if asked.method == "HEAD" else body, len(body))
