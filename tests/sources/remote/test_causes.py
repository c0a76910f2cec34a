"""Exceptions of libraries in plain words."""

import errno
import socket
import ssl

import pytest
from mlaas4hep.sources.remote.causes import Changed, Incomplete, WithoutRanges, cause_of
from mlaas4hep.sources.remote.deadline import Late


class WithStatus(Exception):
    """As aiohttp tells the status of an answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status}, message='...', url=URL('...')")
        self.status = status


def xrootd(text: str) -> OSError:
    return OSError(f"File stat request failed: {text}\n")


@pytest.mark.parametrize(
    ("error", "text", "again"),
    [
        (Late(), "the server does not answer within 2 s", True),
        (TimeoutError(), "the server does not answer within 2 s", True),
        (xrootd("[FATAL] Socket timeout"), "the server does not answer within 2 s", True),
        (xrootd("[ERROR] Operation expired"), "the server does not answer within 2 s", True),
        (xrootd("[FATAL] Connection error"), "the server refuses the connection or broke it off", True),
        (xrootd("[FATAL] Socket error: connection reset by peer"), "the connection was lost", True),
        (xrootd("[FATAL] Invalid address"), "there is no host of this name", True),
        (xrootd("[ERROR] Server responded with an error: [3011] Unable to locate"), "there is no such file", False),
        (xrootd("[ERROR] Server responded with an error: [3010] permission denied"), "permission denied", False),
        (xrootd("[ERROR] Server responded with an error: [3024] Overloaded"), "the server says: Overloaded", True),
        (xrootd("[FATAL] Auth failed: No protocols left to try"), "the server asks for credentials", False),
        (OSError("Unable to load libhdfs: No such file or directory"), "HDFS is read with Hadoop's libhdfs", False),
        (FileNotFoundError("x"), "there is no such file", False),
        (PermissionError("x"), "permission denied", False),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "the server refuses the connection", True),
        (ConnectionResetError(errno.ECONNRESET, "x"), "the connection was lost", True),
        (OSError(errno.EHOSTUNREACH, "x"), "there is no way to the server through the network", True),
        (OSError(errno.EIO, "Input/output error"), "the system says: Input/output error", True),
        (socket.gaierror(-2, "x"), "there is no host of this name", True),
        (ssl.SSLError(1, "wrong version"), "no secure connection: wrong version", False),
        (WithStatus(401), "the server asks for credentials (HTTP 401)", False),
        (WithStatus(403), "permission denied (HTTP 403)", False),
        (WithStatus(404), "there is no such file (HTTP 404)", False),
        (WithStatus(503), "the server is overloaded or broken (HTTP 503)", True),
        (WithStatus(418), "the server answers with HTTP 418", False),
        (Changed("it has 2 bytes"), "the file changed while it was read: it has 2 bytes", False),
        (Incomplete("only 1 of 2 bytes"), "the connection was lost: only 1 of 2 bytes", True),
        (WithoutRanges(), "the server gives whole files only (no HTTP ranges); copy the file to where", False),
        (KeyError("size"), "it cannot be read (KeyError: 'size')", True),
    ],
)
def test_a_cause(error: Exception, text: str, again: bool) -> None:
    cause = cause_of(error, 2)
    assert cause.text.startswith(text)
    assert cause.again is again


def test_the_lowest_exception_tells() -> None:
    try:
        try:
            raise WithStatus(403)
        except WithStatus as below:
            raise FileNotFoundError("https://host/x") from below
    except FileNotFoundError as error:
        cause = cause_of(ExceptionGroup("of several tasks", [error, ValueError()]), 2)
    assert cause.text == "permission denied (HTTP 403)"
    assert cause.credentials
