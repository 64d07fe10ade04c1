"""The alias of a trained model in MLflow's registry: ``mlflow+https://mlflow.example.org/churn@champion``.

The value is the model's version. MLflow moves an alias under no condition and keeps nothing of what it was, so that a swap needs
the operator's word that nothing else moves it, and its good value has to be named. What a version points at is its ``source``.
Source: MLflow's REST API 2.0, as version 3.17 answers it. Credentials come from MLFLOW_TRACKING_TOKEN, or
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, as for MLflow's own clients.
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from incident.errors import CredentialsMissing, ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable, UsageError
from incident.journal import Outcome
from lineage.timestamps import AFTER
from runbooks.plan import SwapPointer
from runbooks.survey import BucketState, PointerVersion

_URL = re.compile(r"mlflow\+(https?://[^/]+(?:/.*)?)/([^/@]+)@([^/@]+)")
_TIMEOUT = 30
_ABSENT = "absent"
_REWRITTEN = "it was moved again while the plan was applied; that stays"


def open_alias(url: str) -> ModelAlias:
    """Raises UsageError when the URL names no alias."""
    match = _URL.fullmatch(url)
    if match is None:
        raise UsageError(f"{url!r} names no alias of a model", "write mlflow+https://HOST/MODEL@ALIAS in incident.toml")
    return ModelAlias(match[1], urllib.parse.unquote(match[2]), urllib.parse.unquote(match[3]), url)


class ModelAlias:
    """One alias of one registered model. ``server`` is the address that ``/api/2.0/mlflow`` follows."""

    def __init__(self, server: str, model: str, alias: str, url: str) -> None:
        self._server, self._model, self._alias, self._url = server, model, alias, url

    def now(self) -> PointerVersion:
        found = self._get("registered-models/get", name=self._model)["registered_model"]
        held = [str(one["version"]) for one in found.get("aliases") or () if one["alias"] == self._alias]
        if not held:
            return PointerVersion(None, _ABSENT, "", AFTER)
        return PointerVersion(held[0], held[0], held[0], AFTER, "", held[0])  # nobody keeps when it was moved

    def past(self, until: int, more: int = 5) -> tuple[Sequence[PointerVersion], bool]:
        del until, more
        return (), True

    def spelled(self, text: str, like: str | None) -> str:
        del like
        return text.strip()

    def plain(self, value: str) -> str:
        return value

    def where(self, value: str) -> tuple[str, ...]:
        """The place of a version's files, as whoever registered it said. Raises ObjectMissing for a version that is not there."""
        found = self._get("model-versions/get", name=self._model, version=value)["model_version"]
        return (str(found["source"]),) if found.get("source") else ()

    def others(self) -> Sequence[str]:
        """The versions that there are, newest first."""
        asked = f"name='{self._model}'" if "'" not in self._model else f'name="{self._model}"'
        found = self._get("model-versions/search", filter=asked, max_results="20").get("model_versions") or ()
        return sorted((str(one["version"]) for one in found), key=int, reverse=True)

    def bucket(self) -> BucketState | None:
        return None

    def degraded(self) -> str:
        return "MLflow moves an alias whatever it is by then"

    # --- the swap ---------------------------------------------------------------------------------------------------------

    def swap(self, action: SwapPointer, mark: str) -> str:
        del mark  # there is no place for it that moves together with the alias
        if not action.writers_stopped:
            raise StorageError(f"{self._url}: {self.degraded()}", "stop its writers, and plan again with --writers-stopped")
        if action.new is None or self.now().version_id != action.requires.version_id:
            raise PreconditionFailed(f"{self._url} is no longer what it was; nothing was changed", "plan again")
        self._send("registered-models/alias", {"name": self._model, "alias": self._alias, "version": action.new})
        return action.new

    def verify(self, action: SwapPointer, mark: str, made: str) -> Outcome:
        del mark
        return Outcome("done", made) if self.now().value == action.new else Outcome("drifted", None, _REWRITTEN)

    def settle(self, action: SwapPointer, mark: str, made: str | None) -> Outcome | None:
        del mark, made
        now = self.now()
        if now.version_id == action.requires.version_id:
            return None
        return Outcome("done", now.version_id) if now.value == action.new else Outcome("drifted", None, _REWRITTEN)

    # --- requests ---------------------------------------------------------------------------------------------------------

    def _get(self, what: str, **asked: str) -> Mapping[str, Any]:
        return self._ask(urllib.request.Request(f"{self._api(what)}?{urllib.parse.urlencode(asked)}"))  # noqa: S310 - http by _URL

    def _send(self, what: str, body: Mapping[str, str]) -> None:
        headers = {"Content-Type": "application/json"}
        self._ask(urllib.request.Request(self._api(what), json.dumps(body).encode(), headers, method="POST"))  # noqa: S310

    def _api(self, what: str) -> str:
        return f"{self._server.rstrip('/')}/api/2.0/mlflow/{what}"

    def _ask(self, request: urllib.request.Request) -> Mapping[str, Any]:
        if (login := _login()) is not None:
            request.add_header("Authorization", login)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - http by _URL
                found = json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error
        except (OSError, ValueError) as error:
            raise StorageUnreachable(
                f"no usable answer from {self._server}: {error}", "check the address; then run it again"
            ) from error
        if not isinstance(found, dict):
            raise StorageUnreachable(f"{self._server} does not answer as MLflow does", "check the address")
        return found

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        said = error.read(2_000).decode(errors="replace")
        if error.code in {401, 403}:
            hint = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            return CredentialsMissing(f"{self._server} does not let us: {error.code}", hint)
        if error.code == 404:
            return ObjectMissing(f"{self._server} knows no such model or version: {said}", "check the pointer in incident.toml")
        if error.code >= 500:
            return StorageUnreachable(f"{self._server} answered {error.code}: {said}", "run it again in a while")
        return StorageError(f"{self._server} answered {error.code}: {said}", "check the pointer in incident.toml")


def _login() -> str | None:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return f"Bearer {token}"
    name, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if not name or not password:
        return None
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"
