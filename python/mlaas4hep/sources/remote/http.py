"""Files behind HTTP: ranges are asked for, and nothing else is taken for an answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

from mlaas4hep.sources.remote.causes import WithoutRanges

__all__ = ["Http"]

OK, PART, NOT_THERE = 200, 206, 416
"""What a server may answer: the whole, the range, that the range is not in the file."""

SIDE_BY_SIDE = 16
"""Connections to one server."""


class Http(HTTPFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """fsspec's HTTP, with these differences.

    A server without ranges is found out before it sends a whole file. What a file is, is asked with a range as well:
    servers that sign URLs take no HEAD. An error is raised as it comes, not as a missing file. What takes longer than
    ``seconds`` ends with a ``TimeoutError``, and leaves nothing behind.
    """

    def __init__(self, *args: Any, seconds: float = 60.0, **options: Any) -> None:
        self._seconds = seconds
        super().__init__(*args, get_client=_client, **options)

    async def _info(self, url: str, **kwargs: Any) -> dict[str, Any]:
        """Return size and stamp; what ends with a slash is a page with links."""
        if url.endswith("/"):
            return {"name": url, "size": None, "type": "directory"}
        async with asyncio.timeout(self._seconds), await self._get(url, 0, 1) as answer:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            empty = answer.status == OK and answer.headers.get("Content-Length") == "0"
            if answer.status != NOT_THERE and not empty:
                self._check(answer)
            info = {"name": url, "size": int(total) if total.isdigit() else 0 if empty else None, "type": "file"}
            return info | {name: answer.headers[name] for name in ("ETag", "Last-Modified") if name in answer.headers}

    async def _cat_file(self, url: str, start: int, end: int, **kwargs: Any) -> bytes:
        """Return the bytes of a range, which is not empty."""
        async with await self._get(url, start, end) as answer:
            self._check(answer)
            return bytes(await answer.read())

    async def _cat_ranges(
        self, paths: Sequence[str], starts: Sequence[int], ends: Sequence[int], **kwargs: Any
    ) -> list[bytes]:
        """Return the bytes of ranges, none of which is empty; where one fails the others are given up."""
        async with asyncio.timeout(self._seconds), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._cat_file(*one)) for one in zip(paths, starts, ends, strict=True)]
        return [task.result() for task in tasks]

    async def _get(self, url: str, start: int, end: int) -> Any:
        session = await self.set_session()
        asked = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        options = {**self.kwargs, "headers": {**self.kwargs.get("headers", {}), **asked}}
        return await session.get(self.encode_url(url), **options)

    @staticmethod
    def _check(answer: Any) -> None:
        answer.raise_for_status()
        if answer.status != PART:
            raise WithoutRanges


async def _client(**options: Any) -> aiohttp.ClientSession:
    """The client of one file system; it takes its options from the configuration of fsspec."""
    connector = aiohttp.TCPConnector(limit_per_host=SIDE_BY_SIDE)
    own: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=None), "connector": connector}
    return aiohttp.ClientSession(**own | options)
