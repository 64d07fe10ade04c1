"""The signature of a request without a body: AWS Signature Version 4, as S3 takes it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Botocore's does the same for any service and any
request, in six times the time; the tests hold each to the other.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

_NOTHING = sha256(b"").hexdigest()
_UNSIGNED = "user-agent"
"""Proxies may change it on the way."""


class Signer:
    """Keeps the keys that were derived for a day."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str], bytes] = {}

    def signed(self, method: str, url: str, headers: dict[str, str], credentials: Any, region: str) -> dict[str, str]:
        """The headers with those of the signature. ``credentials``: frozen; path and query of ``url`` are encoded already."""
        from botocore.compat import get_current_datetime

        parts = urlsplit(url)
        moment = get_current_datetime().strftime("%Y%m%dT%H%M%SZ")
        found = {**headers, "X-Amz-Date": moment, "X-Amz-Content-SHA256": _NOTHING}
        if credentials.token:
            found["X-Amz-Security-Token"] = credentials.token
        named = {name.lower(): " ".join(value.split()) for name, value in found.items()} | {"host": parts.netloc}
        named.pop(_UNSIGNED, None)
        names = sorted(named)
        listed = ";".join(names)
        query = "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in parts.query.split("&"))) if parts.query else ""
        lines = (method, parts.path or "/", query, *(f"{name}:{named[name]}" for name in names), "", listed, _NOTHING)
        scope = f"{moment[:8]}/{region}/s3/aws4_request"
        asked = sha256("\n".join(lines).encode()).hexdigest()
        key = self._key(credentials.secret_key, moment[:8], region)
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{asked}".encode(), "sha256").hex()
        found["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
        )
        return found

    def _key(self, secret: str, day: str, region: str) -> bytes:
        if (secret, day, region) not in self._keys:
            key = f"AWS4{secret}".encode()
            for part in (day, region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._keys = {(secret, day, region): key}
        return self._keys[secret, day, region]
