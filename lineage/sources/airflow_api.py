"""Airflow's REST API (v2, Airflow 3 or later): one answer, or all pages of a list. Only GET, apart from ``POST /auth/token``.

Credentials come from the environment: ``AIRFLOW_TOKEN``, or ``AIRFLOW_USERNAME`` and ``AIRFLOW_PASSWORD``, which are changed for a
token first. They are sent to the address given and nowhere else.
Source: https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from lineage.errors import SourceUnreadable
from lineage.sources.rest import Absent, Server

PAGE = 100
"""Airflow's own default for the longest page (``[api] maximum_page_limit``)."""

_SECONDS = 30
_READINGS = 3
_CREDENTIALS = "set AIRFLOW_TOKEN, or AIRFLOW_USERNAME and AIRFLOW_PASSWORD, in the environment"


class Api:
    """One Airflow. ``source`` are the words that named it, ``base`` its address, without query."""

    def __init__(self, source: str, base: str) -> None:
        self.source, self.base = source, base.rstrip("/")
        Server(source, base)  # an address that is none, or holds credentials, is refused before a password goes anywhere
        self._server = Server(source, base, token=self._token(), hint=_CREDENTIALS)

    def get(self, *segments: str, parameters: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """The answer below ``/api/v2``. Raises SourceUnreadable; Absent for what is not there."""
        answer = self._server.get("api", "v2", *segments, parameters=parameters)
        if not isinstance(answer, dict):
            raise self._foreign(*segments)
        return answer

    def listing(self, *segments: str, key: str, parameters: Mapping[str, str | int]) -> tuple[list[dict[str, Any]], bool]:
        """Every item of a paged list, and whether that is certainly all of it. Raises as ``get`` does.

        Items may move between pages while we read (a retried task gets a new id), so a list that comes out shorter than Airflow
        counted is read again, up to three times; what any of the readings saw is kept.
        """
        found: dict[str, dict[str, Any]] = {}
        for _ in range(_READINGS):
            offset, total = 0, 1
            while offset < total:
                answer = self.get(*segments, parameters={**parameters, "limit": PAGE, "offset": offset})
                page, total = answer.get(key), answer.get("total_entries", -1)
                if not isinstance(page, list) or not isinstance(total, int) or not all(isinstance(one, dict) for one in page):
                    raise self._foreign(*segments)
                if not page:
                    break
                for number, one in enumerate(page, offset):
                    found[_name(one) or str(number)] = one
                offset += len(page)
            if len(found) >= total:
                return list(found.values()), True
        return list(found.values()), False

    def _foreign(self, *segments: str) -> SourceUnreadable:
        where = "/".join(("api/v2", *segments))
        return SourceUnreadable(f"lineage source {self.source}: {where} answers unlike an Airflow 3", "check the address")

    def _token(self) -> str:
        """The environment's token, or one for the user named there; "" where neither is: some installations let anybody read."""
        if token := os.environ.get("AIRFLOW_TOKEN"):
            return token
        user, password = os.environ.get("AIRFLOW_USERNAME"), os.environ.get("AIRFLOW_PASSWORD")
        if not user and not password:
            return ""
        if not user or not password:
            raise SourceUnreadable(
                f"lineage source {self.source}: only one of AIRFLOW_USERNAME and AIRFLOW_PASSWORD is set", _CREDENTIALS
            )
        url = f"{self.base}/auth/token"
        body = json.dumps({"username": user, "password": password}).encode()
        # urlopen sends no body on when it is redirected, so that a password never reaches another address
        request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http or https, as Server has checked
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
                token = json.loads(answer.read(1_000_000))["access_token"]
        except HTTPError as error:
            error.close()
            hint = (
                "check AIRFLOW_USERNAME and AIRFLOW_PASSWORD"
                if error.code == http.client.UNAUTHORIZED
                else "set AIRFLOW_TOKEN instead"
            )
            raise SourceUnreadable(f"lineage source {self.source}: {url} answers {error.code} {error.reason}", hint) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise SourceUnreadable(
                f"lineage source {self.source}: {url} cannot be reached: {reason}", "check the address and the network"
            ) from None
        except (ValueError, KeyError, TypeError):
            token = None
        if not isinstance(token, str):
            raise SourceUnreadable(
                f"lineage source {self.source}: {url} answers without an access_token", "set AIRFLOW_TOKEN instead"
            )
        return token


def _name(item: dict[str, Any]) -> str:
    parts = [item["id"]] if "id" in item else [item.get(key) for key in ("dag_id", "dag_run_id", "task_id", "map_index")]
    return "/".join(str(part) for part in parts if part is not None)


__all__ = ["Absent", "Api"]
