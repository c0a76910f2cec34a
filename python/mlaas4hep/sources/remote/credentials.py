"""What credentials there are for XRootD, and what is wrong with them."""

import base64
import json
import os
import re
import ssl
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["found_credentials"]

MAKE = "voms-proxy-init makes one"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
UTC_TIME, VERSION = 0x17, 0xA0
"""Tags of DER."""


def found_credentials() -> str:
    """Return in a sentence which credentials XRootD finds here, and what is wrong with each.

    These are an X.509 proxy, in the file of ``X509_USER_PROXY`` or ``/tmp/x509up_u<uid>``, and a bearer token, in
    ``BEARER_TOKEN`` or in the file of ``BEARER_TOKEN_FILE``. Nothing is sent anywhere.
    """
    tokens = _token("BEARER_TOKEN", lambda given: given), _token("BEARER_TOKEN_FILE", _text)
    return "; ".join(filter(None, [_proxy(), *tokens]))


def _proxy() -> str:
    given = os.environ.get("X509_USER_PROXY", "")
    path = given or f"/tmp/x509up_u{os.getuid() if hasattr(os, 'getuid') else 0}"
    named = f"the X.509 proxy {path}" + (" (X509_USER_PROXY)" if given else "")
    try:
        text = Path(path).read_text("ascii", "replace")
        mode = stat.S_IMODE(Path(path).stat().st_mode)
    except FileNotFoundError:
        known = "" if given else " and X509_USER_PROXY is not set"
        return f"{named} is not there{known}; {MAKE}"
    except OSError as error:
        return f"{named} cannot be read: {error.strerror}"
    try:
        until = min(_valid_until(pem) for pem in CERTIFICATE.findall(text))
    except (ValueError, IndexError):
        return f"{named} is damaged, or no proxy; {MAKE}"
    if until < datetime.now(UTC):
        return f"{named} expired on {_written(until)}; {MAKE}"
    if mode & 0o077:
        return f"{named} may be read by others, and XRootD does not take it then; chmod 600 helps"
    return f"{named} is valid until {_written(until)}, but the server did not accept it for this"


def _token(variable: str, text_of: Callable[[str], str]) -> str:
    """What is to be said of a token; nothing if the variable is not set."""
    given = os.environ.get(variable, "")
    if not given:
        return ""
    named = "the bearer token in BEARER_TOKEN" if variable == "BEARER_TOKEN" else f"the bearer token in {given}"
    try:
        text = text_of(given).strip()
    except FileNotFoundError:
        return f"{named} (BEARER_TOKEN_FILE) is not there"
    except OSError as error:
        return f"{named} (BEARER_TOKEN_FILE) cannot be read: {error.strerror}"
    try:
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        until = datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, LookupError, TypeError, OverflowError, OSError):
        return f"{named} does not tell how long it is valid"
    if until < datetime.now(UTC):
        return f"{named} expired on {_written(until)}"
    return f"{named} is valid until {_written(until)}, but the server did not accept it for this"


def _text(path: str) -> str:
    return Path(path).read_text("ascii", "replace")


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _valid_until(pem: str) -> datetime:
    """The end of a certificate's validity (RFC 5280, 4.1): ValueError or IndexError if it is damaged."""
    (_, certificate), *_ = _parts(ssl.PEM_cert_to_DER_cert(pem))
    (_, signed), *_ = _parts(certificate)
    fields = [field for tag, field in _parts(signed) if tag != VERSION]  # which may be left out
    _serial, _algorithm, _issuer, validity = fields[:4]
    tag, text = list(_parts(validity))[1]
    form = "%y%m%d%H%M%SZ" if tag == UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of DER-encoded bytes."""
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(der[at : at + count], "big"), at + count
        if at + size > len(der):
            raise ValueError("an element reaches behind the end")
        yield tag, der[at : at + size]
        at += size
