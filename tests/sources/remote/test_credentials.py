"""What is said of proxies and tokens: not there, not readable, damaged, expired, refused."""

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlaas4hep.errors import SourceError
from mlaas4hep.sources import Reading, open_source
from mlaas4hep.sources.remote.credentials import found_credentials

from tests.servers import XRootDServer
from tests.sources.conftest import needs

NOW = datetime.now(UTC)
SEQUENCE, INTEGER, UTC_TIME, TIME, VERSION = 0x30, 2, 0x17, 0x18, 0xA0


@pytest.fixture(autouse=True)
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the proxy, which is not there yet; no tokens."""
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "proxy.pem"
    monkeypatch.setenv("X509_USER_PROXY", str(path))
    return path


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes(2, "big")
    return bytes([tag]) + (bytes([len(content)]) if len(content) < 128 else b"\x82" + size) + content


def certificate(until: datetime, version: bool = True) -> str:
    """The frame of a certificate, without what nobody looks at."""
    written = f"{until:%y%m%d%H%M%SZ}" if until.year < 2050 else f"{until:%Y%m%d%H%M%SZ}"
    end = der(UTC_TIME if until.year < 2050 else TIME, written.encode())
    validity = der(SEQUENCE, der(UTC_TIME, b"200101000000Z"), end)
    front = [der(VERSION, der(INTEGER, b"\x02"))] if version else []
    signed = der(SEQUENCE, *front, der(INTEGER, b"\x01"), der(SEQUENCE), der(SEQUENCE, bytes(200)), validity)
    text = base64.encodebytes(der(SEQUENCE, signed, der(SEQUENCE))).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def write(path: Path, *texts: str, mode: int = 0o600) -> None:
    path.write_text("".join(texts))
    path.chmod(mode)


def token(**claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "signature"])


def test_no_proxy(proxy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = "is not there; voms-proxy-init makes one"
    assert found_credentials() == f"the X.509 proxy {proxy} (X509_USER_PROXY) {made}"
    monkeypatch.delenv("X509_USER_PROXY")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    found = "the X.509 proxy /tmp/x509up_u4000000001 is not there and X509_USER_PROXY is not set"
    assert found_credentials() == f"{found}; voms-proxy-init makes one"


def test_a_proxy_that_cannot_be_read(proxy: Path) -> None:
    proxy.mkdir()
    assert found_credentials() == f"the X.509 proxy {proxy} (X509_USER_PROXY) cannot be read: Is a directory"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no proxy",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_damaged_proxy(proxy: Path, text: str) -> None:
    write(proxy, text)
    assert "is damaged, or no proxy; voms-proxy-init makes one" in found_credentials()


@pytest.mark.parametrize("version", [True, False])
def test_an_expired_proxy(proxy: Path, version: bool) -> None:
    past = NOW - timedelta(hours=1)
    write(proxy, certificate(NOW + timedelta(days=9000)), certificate(past, version))
    assert f"expired on {past:%Y-%m-%d %H:%M} UTC; voms-proxy-init makes one" in found_credentials()


def test_a_proxy_that_others_may_read(proxy: Path) -> None:
    write(proxy, certificate(NOW + timedelta(hours=1)), mode=0o644)
    assert "may be read by others, and XRootD does not take it then; chmod 600 helps" in found_credentials()


@pytest.mark.parametrize("days", [1, 20_000])
def test_a_refused_proxy(proxy: Path, days: int) -> None:
    future = NOW + timedelta(days=days)
    write(proxy, certificate(future))
    found = found_credentials()
    assert f"is valid until {future:%Y-%m-%d %H:%M} UTC, but the server did not accept it for this" in found


def test_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past, future = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    path = tmp_path / "token"
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(path))
    assert found_credentials().endswith(f"; the bearer token in {path} (BEARER_TOKEN_FILE) is not there")
    path.write_text(token(exp=past.timestamp()) + "\n")
    assert found_credentials().endswith(f"; the bearer token in {path} expired on {past:%Y-%m-%d %H:%M} UTC")
    path.unlink()
    path.mkdir()
    assert found_credentials().endswith("(BEARER_TOKEN_FILE) cannot be read: Is a directory")
    monkeypatch.delenv("BEARER_TOKEN_FILE")
    monkeypatch.setenv("BEARER_TOKEN", token(exp=future.timestamp()))
    assert f"; the bearer token in BEARER_TOKEN is valid until {future:%Y-%m-%d %H:%M} UTC, but" in found_credentials()


@pytest.mark.parametrize("given", ["opaque", "a.b.c", token(), token(exp="soon"), token(exp=1e300)])
def test_tokens_of_other_kinds(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEARER_TOKEN", given)
    assert found_credentials().endswith("; the bearer token in BEARER_TOKEN does not tell how long it is valid")


@pytest.fixture(scope="module")
def locked() -> Iterator[XRootDServer]:
    """A server that wants credentials."""
    needs("root")
    with XRootDServer(locked=True) as server:
        (server.folder / "a.root").write_bytes(b"root" + bytes(100))
        yield server


def test_a_server_that_wants_credentials(locked: XRootDServer, proxy: Path) -> None:
    url, reading = locked.url("a.root"), Reading(deadline=2, tries=3, pause=100)
    wanted = (
        rf"a\.root: cannot be opened: the server asks for credentials: the X\.509 proxy {proxy} \(X509_USER_PROXY\) "
    )
    with pytest.raises(SourceError, match=wanted + "is not there"):
        open_source(url, reading=reading)
    write(proxy, certificate(NOW - timedelta(hours=1)))
    with pytest.raises(SourceError, match=wanted + "expired on"):
        open_source(url, reading=reading)
