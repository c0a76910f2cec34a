"""Servers of files for tests, each a process of its own that can be killed, stopped and started again."""

import contextlib
import http.server
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["HttpServer", "Server", "XRootDServer", "free_port", "silent"]

PATIENCE = 20.0
"""Seconds for a server to be up."""


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Listen on a port, and neither accept nor answer."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        found.listen(64)
        yield int(found.getsockname()[1])


class Server(ABC):
    """A server of the files in ``folder``; ``port`` stays the same when it is started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.root = Path(tempfile.mkdtemp(prefix="mlaas4hep-server-"))
        self.root.chmod(0o755)  # the server may run as another user
        self.folder = self.root / "files"
        self.folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def url(self, name: str) -> str:
        """Return the URL of a file in the folder."""

    @abstractmethod
    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the process."""

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._process = self._spawn()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{type(self).__name__} does not start: see {self.root}")

    @property
    def process(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, as SIGSTOP and SIGCONT."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it and remove its files."""
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)


class XRootDServer(Server):
    """The server of XRootD, ``xrootd``; it refuses to run as root, and then runs as a user of its own.

    A ``locked`` one wants credentials that nobody has.
    """

    program = shutil.which("xrootd")

    def __init__(self, locked: bool = False) -> None:
        super().__init__()
        self._locked = locked

    def url(self, name: str) -> str:
        return f"root://127.0.0.1:{self.port}//files/{name}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        assert self.program is not None
        own = self.root / "own"
        own.mkdir(exist_ok=True)
        user = self._user()
        if user:
            shutil.chown(own, user)
        config = self.root / "xrootd.cfg"
        config.write_text(
            f"xrd.port {self.port}\nxrd.network nodnr norpipa\nxrd.allow host *\nall.adminpath {own}\n"
            f"all.pidpath {own}\nall.export /files r/o\noss.localroot {self.root}\n"
        )
        if self._locked:
            self._lock(config, user)
        command = [self.program, "-c", str(config), "-l", str(own / "log")]
        return subprocess.Popen(command, cwd=own, user=user, extra_groups=[] if user else None)

    def _lock(self, config: Path, user: str | None) -> None:
        """Let it ask for a key that nobody has."""
        keys = config.parent / "own" / "keys"
        keys.write_text(f"0 u:nobody g:nobody n:key N:1 c:1 e:0 k:{'ab' * 32}\n")
        keys.chmod(0o600)
        if user:
            shutil.chown(keys, user)
        with config.open("a") as file:
            file.write(f"xrootd.seclib libXrdSec.so\nsec.protocol sss -s {keys}\n")

    @staticmethod
    def _user() -> str | None:
        if os.getuid() != 0:
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "xrootd" if "xrootd" in names else "nobody"


class HttpServer(Server):
    """A server of HTTP with requests of ranges, and files behind paths that behave in special ways.

    ``forbidden/NAME`` is refused without the bearer token ``open``, ``whole/NAME`` comes without ranges, and
    ``broken/NAME`` ends in the middle.
    """

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, __file__, str(self.port), str(self.folder)])


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(lambda content: None)

    def do_GET(self) -> None:
        if self.path.endswith("/"):
            super().do_GET()
        else:
            self._answer(lambda content: self.wfile.write(content))

    def _answer(self, write: Callable[[bytes], object]) -> None:
        kind, _, name = self.path.strip("/").rpartition("/")
        path = Path(self.directory) / name
        if kind == "forbidden" and self.headers.get("Authorization") != "Bearer open":
            self.send_error(403)
        elif not path.is_file():
            self.send_error(404)
        else:
            self._send(kind, path, write)

    def _send(self, kind: str, path: Path, write: Callable[[bytes], object]) -> None:
        found, asked = path.stat(), self.headers.get("Range", "")
        ranges = asked and kind != "whole"
        begin, end = 0, found.st_size
        if ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(end, int(last) + 1)
        with path.open("rb") as file:
            file.seek(begin)
            content = file.read(max(0, end - begin))
        self.send_response(206 if ranges else 200)
        if ranges:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{found.st_size}")
        self.send_header("ETag", f'"{found.st_mtime_ns:x}-{found.st_size:x}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        write(content[: len(content) // 2] if kind == "broken" and len(content) > 100 else content)
        if kind == "broken":
            self.close_connection = True


class _Serving(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients may go."""


if __name__ == "__main__":
    _Serving(("127.0.0.1", int(sys.argv[1])), partial(_Handler, directory=sys.argv[2])).serve_forever()
