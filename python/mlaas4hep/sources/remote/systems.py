"""The file systems of fsspec behind URLs: which there are, how they are set up and let go."""

import os
import sys
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mlaas4hep.errors import SourceError, nearest
from mlaas4hep.reading import Reading

__all__ = ["opener_of", "protocol_of"]

System = Any
"""A file system of fsspec, which ships no types."""

EXTRAS = {"root": "xrootd", "http": "http", "https": "http", "s3": "s3", "s3a": "s3"}
"""Our extra with the packages that a protocol needs."""

_SHARED: dict[object, System] = {}
"""The newest file system of each kind that holds no files: to make one, and to connect again, takes its time."""

SECURE = {"roots", "xroot", "xroots"}


def protocol_of(url: str) -> str:
    """Return the part before ``://``, in lower case."""
    return url.partition("://")[0].lower()


def opener_of(url: str, reading: Reading) -> Callable[[bool], tuple[System, str]]:
    """Return what gives a file system for a URL, a fresh one if it is told so, and the file's name in there.

    ``SourceError`` names the package to install, or says that nobody knows the protocol.
    """
    protocol, _, rest = url.partition("://")
    protocol = protocol.lower()
    if protocol in EXTRAS and not rest.partition("/")[0]:
        raise SourceError(f"{url}: there is no {'bucket' if EXTRAS[protocol] == 's3' else 'host'} in this URL")
    class_ = _class_of(url, protocol)
    url = f"{protocol}://{rest}"
    options = {**class_._get_kwargs_from_urls(url), **_options(protocol, reading)}

    def open_system(fresh: bool) -> tuple[System, str]:
        name = class_._strip_protocol(url)
        if protocol == "root":
            return _open_xrootd(class_, options, reading), name
        key = os.getpid(), protocol, repr(options), repr(_settings(protocol))
        system = None if fresh else _SHARED.get(key)
        if system is None:
            system = class_(skip_instance_cache=True, **options)
            if protocol in EXTRAS:
                _SHARED[key] = system
        return system, name

    return open_system


def _settings(protocol: str) -> object:
    """Return what the user's configuration of fsspec says of a protocol."""
    from fsspec.config import conf

    return conf.get(protocol)


def _open_xrootd(class_: Any, options: dict[str, Any], reading: Reading) -> System:
    """A file system of its own for each file: it keeps files open, also when others took their place."""
    _set_up_xrootd(reading)
    system = class_(skip_instance_cache=True, **options)
    if handles := getattr(system, "_readonly_filehandle_cache", None):
        weakref.finalize(system, _close_quietly, handles)
    return system


def _class_of(url: str, protocol: str) -> Any:
    try:
        import fsspec

        if protocol in ("http", "https"):
            from mlaas4hep.sources.remote.http import Http

            return Http
        if protocol == "root":
            _load_xrootd()
        return fsspec.get_filesystem_class(protocol)
    except ValueError:
        right = "root://, https://, s3:// and others of fsspec can be read"
        if protocol in SECURE:
            right = "write root://, which is encrypted where the server wants it"
        hint = nearest(protocol, EXTRAS)
        raise SourceError(f"{url}: nothing is known of {protocol}://{hint}; {right}") from None
    except ImportError as error:
        raise SourceError(f"{url}: to read {protocol}://, install {_package(protocol, error)}") from error


def _load_xrootd() -> None:
    """Load XRootD's client with its own copies of functions that other packages bring too.

    Where TensorFlow was loaded before, the client would take TensorFlow's, and end the process.
    """
    if not hasattr(os, "RTLD_DEEPBIND"):
        import_module("XRootD.client")
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        import_module("XRootD.client")
    finally:
        sys.setdlopenflags(flags)


def _package(protocol: str, error: ImportError) -> str:
    if protocol in EXTRAS:
        return f"mlaas4hep[{EXTRAS[protocol]}]"
    missing = error.name or (error.__cause__.name if isinstance(error.__cause__, ImportError) else None)
    return f"the Python package {missing.partition('.')[0]}" if missing else "what fsspec reads it with"


def _options(protocol: str, reading: Reading) -> dict[str, Any]:
    match protocol:
        case "root":
            # A file stays open: were it closed and opened again by the way, it could be another one.
            return {"timeout": max(1, round(reading.deadline)), "filehandle_cache_ttl": 10**6}
        case "http" | "https":
            return {"seconds": 0.95 * reading.deadline}  # so that it ends by itself, before it is abandoned
        case _:
            return {"use_listings_cache": False}


def _set_up_xrootd(reading: Reading) -> None:
    """Let XRootD find out quickly that a server is gone; what the user set in the environment stays.

    It shares connections between all files of a server, and by default takes half an hour to try a broken one again.
    Retries and pauses are ours.
    """
    from XRootD.client import env

    seconds = max(1, round(reading.deadline))
    settings = {
        "ConnectionWindow": min(10, seconds),
        "ConnectionRetry": 1,
        "RequestTimeout": seconds,
        "StreamTimeout": max(1, round(reading.deadline / 3)),
        "TimeoutResolution": 1,
        "StreamErrorWindow": 0,
    }
    put: Callable[[str, int], object] = env.EnvPutInt
    for name, value in settings.items():
        put(name, value)


def _close_quietly(handles: Any) -> None:
    """Close the files of fsspec-xrootd's file system, which keeps them, and a task, to the end of the process.

    Nobody waits for the answer, which may not come.
    """
    if not handles.loop.is_closed():
        handles.loop.call_soon_threadsafe(handles._prune_task.cancel)
    items = list(handles._cache.values())
    handles._cache.clear()
    for item in items:
        item.handle.close(timeout=1, callback=lambda *answer: None)
