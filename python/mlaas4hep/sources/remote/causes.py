"""Why a remote file could not be read, in plain words, from whatever a library raises."""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from mlaas4hep.errors import first_line
from mlaas4hep.sources.remote.deadline import Late

__all__ = ["Cause", "Changed", "Incomplete", "WithoutRanges", "cause_of"]


class Changed(Exception):
    """The file is not the one that was opened."""


class Incomplete(Exception):
    """Fewer bytes came than were asked for."""


class WithoutRanges(Exception):
    """The server gives whole files only."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What happened, whether another try may help, and whether the server wants other credentials."""

    text: str
    again: bool = False
    credentials: bool = False


MISSING = Cause("there is no such file")
DENIED = Cause("permission denied", credentials=True)
WANTED = Cause("the server asks for credentials", credentials=True)
REFUSED = Cause("the server refuses the connection", again=True)
LOST = Cause("the connection was lost", again=True)
NO_HOST = Cause("there is no host of this name", again=True)

XROOTD = {
    "[3005]": Cause("the server cannot read the file: its storage fails, or the file became shorter", again=True),
    "[3010]": DENIED,
    "[3011]": MISSING,
    "[3016]": Cause("this is a folder"),
    "[3030]": Cause("the server's own credentials were refused behind it", credentials=True),
    "auth failed": WANTED,
    "socket timeout": Cause(""),
    "operation expired": Cause(""),
    "connection error": Cause("the server refuses the connection or broke it off", again=True),
    "socket error": LOST,
    "invalid address": NO_HOST,
    "stream disconnect": LOST,
    "no such file": MISSING,
    "permission denied": DENIED,
}
"""By a part of XRootD's text in lower case, the most telling first; an empty cause means that no answer came."""

NUMBERS = {
    errno.ENOENT: MISSING,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EISDIR: Cause("this is a folder"),
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: LOST,
    errno.EPIPE: LOST,
    errno.ENETUNREACH: Cause("there is no way to the server through the network", again=True),
    errno.EHOSTUNREACH: Cause("there is no way to the server through the network", again=True),
}
NAMES = {
    "ServerDisconnectedError": LOST,
    "ClientPayloadError": LOST,
    "ClientConnectorDNSError": NO_HOST,
    "NoCredentialsError": WANTED,
    "EndpointConnectionError": REFUSED,
    "InvalidURL": Cause("this is no URL"),
    "InvalidUrlClientError": Cause("this is no URL"),
}
"""By the names of exceptions of packages that need not be installed."""


def cause_of(error: BaseException, seconds: float) -> Cause:
    """Return the cause that an exception, or one below it, tells; ``seconds`` is the deadline that it was under."""
    silent = Cause(f"the server does not answer within {seconds:g} s", again=True)
    chain = list(_chain(error))
    for one in reversed(chain):  # the one below the others knows best
        if isinstance(one, (Late, TimeoutError)) or type(one).__name__ == "FSTimeoutError":
            return silent
        if found := _told(one):
            return found if found.text else silent
    return Cause(f"it cannot be read ({type(error).__name__}: {first_line(error)})", again=True)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = _below(current)


def _below(error: BaseException) -> BaseException | None:
    """What an exception was raised for; of several at once the first tells it."""
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    below = getattr(error, "os_error", None)  # of aiohttp
    return below if isinstance(below, BaseException) else error.__cause__ or error.__context__


def _told(error: BaseException) -> Cause | None:
    """The cause that one exception tells by itself."""
    if isinstance(error, Changed):
        return Cause(f"the file changed while it was read: {error}")
    if isinstance(error, Incomplete):
        return Cause(f"the connection was lost: {error}", again=True)
    if isinstance(error, WithoutRanges):
        return Cause("the server gives whole files only (no HTTP ranges); copy the file to where it can be read")
    if isinstance(error, socket.gaierror):
        return NO_HOST
    if isinstance(error, ssl.SSLCertVerificationError):
        return Cause(f"the server's certificate is not valid here: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return Cause(f"no secure connection: {getattr(error, 'reason', None) or error.strerror}")
    status = getattr(error, "status", None)
    if isinstance(status, int) and status >= 400:
        return _by_status(status)
    if type(error).__name__ in NAMES:
        return NAMES[type(error).__name__]
    return _by_number(error) if isinstance(error, OSError) else None


def _by_number(error: OSError) -> Cause | None:
    if error.errno in NUMBERS:
        return NUMBERS[error.errno]
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return MISSING if isinstance(error, FileNotFoundError) else DENIED
    if isinstance(error, ConnectionError):
        return LOST
    text = str(error).lower()
    if "libhdfs" in text or "libjvm" in text:
        return Cause("HDFS is read with Hadoop's libhdfs and Java, which JAVA_HOME and HADOOP_HOME must lead to")
    if re.search(r"\[(error|fatal|\d{4})\]", text):
        for part, cause in XROOTD.items():
            if part in text:
                return cause
    if number := re.search(r"responded with an error: \[\d+\] *(.*)", str(error)):
        return Cause(f"the server says: {number[1].strip()}", again=True)
    return Cause(f"the system says: {error.strerror}", again=True) if error.strerror else None


def _by_status(status: int) -> Cause:
    match status:
        case 401 | 407:
            return Cause(f"the server asks for credentials (HTTP {status})", credentials=True)
        case 403:
            return Cause("permission denied (HTTP 403)", credentials=True)
        case 404 | 410:
            return Cause(f"there is no such file (HTTP {status})")
        case 408 | 429 | 500 | 502 | 503 | 504:
            return Cause(f"the server is overloaded or broken (HTTP {status})", again=True)
        case _:
            return Cause(f"the server answers with HTTP {status}")
