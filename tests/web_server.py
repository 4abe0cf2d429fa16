"""A web server on this machine that misbehaves as told, one page at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Page:
    """What a path holds and how it is served.

    Attributes:
        content: the bytes.
        etag, modified: validators; "" and None for none.
        ranges: whether Range is known; `if_range`: and If-Range.
        cut: bytes after which the connection breaks, a number for each request; None for whole.
        chunk, delay: bytes that are sent at once, and seconds between two chunks.
        length: the Content-Length claimed, None for none; by default the true one.
        silent: seconds before anything is answered.
        mute: requests that are read and never answered: the connection ends.
        status, headers: sent before the content; a status for each request, then 200.
    """

    content: bytes = b""
    etag: str = '"1"'
    modified: float | None = None
    ranges: bool = True
    if_range: bool = True
    cut: list[int | None] = field(default_factory=list)
    chunk: int = 1 << 16
    delay: float = 0.0
    length: int | None = -1
    silent: float = 0.0
    mute: int = 0
    status: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """A running server.

    Attributes:
        url: without a path.
        pages: by path; may be changed while it runs.
        asked: path and Range of every request so far, "" for none.
    """

    url: str
    pages: dict[str, Page]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def sent_from(self) -> list[str]:
        return [asked for _, asked in self.asked]


@contextmanager
def serving(pages: dict[str, Page]) -> Iterator[Server]:
    server = Server("", pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, server)

        def do_HEAD(self) -> None:
            answer(self, server)

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients are killed
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
    path = handler.path.partition("?")[0]
    asked = handler.headers.get("Range", "")
    server.asked.append((path, asked))
    handler.close_connection = True
    page = server.pages.get(path)
    if page is None:
        handler.send_response(404)
        handler.send_header("Connection", "close")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    time.sleep(page.silent)
    if page.mute:
        page.mute -= 1
        return
    start = 0
    status = page.status.pop(0) if page.status else 200
    modified = "" if page.modified is None else formatdate(page.modified, usegmt=True)
    same = handler.headers.get("If-Range", page.etag) in {page.etag, modified}
    if status == 200 and page.ranges and asked and (same or not page.if_range):
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        status = 206 if start < len(page.content) else 416
    body = page.content[start:] if status != 416 else b""
    handler.send_response(status)
    handler.send_header("Connection", "close")
    total = len(page.content)
    if status == 206:
        handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    elif status == 416:
        handler.send_header("Content-Range", f"bytes */{total}")
    length = len(body) if page.length == -1 else page.length
    if length is not None:
        handler.send_header("Content-Length", str(length))
    if page.etag:
        handler.send_header("ETag", page.etag)
    if modified:
        handler.send_header("Last-Modified", modified)
    for name, value in page.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "HEAD":
        return
    cut = page.cut.pop(0) if page.cut else None
    body = body[:cut]
    for place in range(0, len(body), page.chunk):
        handler.wfile.write(body[place : place + page.chunk])
        handler.wfile.flush()
        time.sleep(page.delay)


def received(folder: Path, parts: str) -> int:
    """Bytes of a file that have come so far; `parts` is the pattern of its parts in `folder`."""
    sizes = [path.stat().st_size for path in folder.glob(parts) if path.suffix != ".json"]
    return max(sizes, default=0)


def wait_for_bytes(folder: Path, parts: str, wanted: int) -> None:
    """Return once so many bytes have come; fails after half a minute."""
    deadline = time.monotonic() + 30
    while received(folder, parts) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.005)
