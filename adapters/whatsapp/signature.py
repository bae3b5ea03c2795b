"""Whether a webhook comes from Twilio: its signature over the public URL and the form's fields. Pure.

Written out instead of calling the SDK's `RequestValidator`, which signs twice for each request, takes quadratic
time for a body of many fields and raises on URLs and headers that are not UTF-8; a test holds it against the SDK's.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlsplit

_ALGORITHMS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


class Verifier:
    """Knows the secrets, and under which addresses the world calls us."""

    def __init__(self, public_url: str, auth_token: str, shared_keys: Mapping[str, str]) -> None:
        self._origins = origins(public_url)
        self._auth_token = auth_token
        self._shared_keys = shared_keys

    def accepts(self, path: str, fields: Iterable[tuple[str, str]], signature: str, settings: str = "") -> bool:
        """Whether `signature` is right for a request to `path` (raw, with its query) with these fields.

        `settings`: the header that names a shared key and its algorithm, where the request has it."""
        named = dict(part.strip().split("=", 1) for part in settings.split(",") if "=" in part)
        algorithm = _ALGORITHMS.get(named.get("algorithm", "HMAC_SHA1"))
        secret = self._shared_keys.get(named["key"]) if "key" in named else self._auth_token
        # An address in absolute form could forge the host part of what is signed.
        if not secret or algorithm is None or not path.startswith("/"):
            return False
        key, given = secret.encode(), _bytes(signature)
        rest = _bytes(path + "".join(name + value for name, value in sorted(set(fields))))
        return any(
            hmac.compare_digest(b64encode(hmac.digest(key, origin + rest, algorithm)), given)
            for origin in self._origins
        )


def body_is_signed(path: str, body: bytes) -> bool:
    """Whether the address carries the hash of a body that is no form; the address itself must be signed."""
    hashes = parse_qs(_bytes(path).decode(errors="replace").partition("?")[2]).get("bodySHA256", [])
    return len(hashes) == 1 and hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), hashes[0].encode())


def origins(public_url: str) -> tuple[bytes, ...]:
    """Our address as configured, then with and without its port: Twilio is not consistent in naming it."""
    url = urlsplit(public_url)
    host = url.netloc.rpartition("@")[2]
    if url.port:
        other = public_url.replace(host, host.rpartition(":")[0], 1)
    else:
        other = public_url.replace(host, f"{host}:{443 if url.scheme == 'https' else 80}", 1)
    return _bytes(public_url), _bytes(other)


def _bytes(text: str) -> bytes:
    """As it came over the wire: the server keeps what is not UTF-8 as lone surrogates."""
    return text.encode("utf-8", "surrogateescape")
