"""The demo site over HTTP, on this machine only: `python -m include.nightscout.demo.server --port 1337`."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from socketserver import TCPServer
from threading import Event, Lock, Thread, current_thread
from typing import Any
from urllib.parse import unquote, urlsplit

from include.errors import ServiceError
from include.nightscout.demo.answers import Answer
from include.nightscout.demo.documents import newest_first
from include.nightscout.demo.reads import Archive
from include.nightscout.demo.routes import Call, refuse_write, respond
from include.nightscout.windows import utc_now

HOST = "127.0.0.1"
POLL_SECONDS = 0.05


class Handler(BaseHTTPRequestHandler):
    """One connection; it stays open for the next call, as with the real server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; the second must not wait for an answer
    server: "DemoServer"

    def do_GET(self) -> None:
        """Answers a read."""
        address = urlsplit(self.path)
        call = Call(
            path=unquote(address.path),
            query=address.query,
            accept=self.headers.get("Accept", "*/*"),
            if_modified_since=self.headers.get("If-Modified-Since"),
            now=self.server.now(),
            archive=self.server.archive,
        )
        self._send(respond(call))

    def do_POST(self) -> None:
        """Refuses every write; the body is not read, so the connection ends."""
        self.close_connection = True
        self._send(refuse_write())

    do_PUT = do_POST  # noqa: N815 (names are the standard library's)
    do_DELETE = do_POST  # noqa: N815

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.last_modified:
            self.send_header("Last-Modified", answer.last_modified)
        if answer.status != 304:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the standard library's)
        """Says nothing: the caller's log is the place for calls."""


class DemoServer(ThreadingHTTPServer):
    """A thread for each connection, all of them ended when the server closes."""

    daemon_threads = True

    def __init__(self, port: int, now: Callable[[], datetime], archive: Archive) -> None:
        self.now = now
        self.archive = archive
        self._lock = Lock()
        self._workers: dict[Thread, socket] = {}
        super().__init__((HOST, port), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.server_address[1]}"

    def server_bind(self) -> None:
        """Binds without asking a name server what this machine is called, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serves a connection in a thread that close() can end."""
        worker = Thread(target=self._serve_connection, args=(request, client_address), daemon=True)
        with self._lock:
            self._workers[worker] = request
        worker.start()

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        self.process_request_thread(request, client_address)
        with self._lock:
            del self._workers[current_thread()]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is no error of ours; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Stops listening, hangs up, and waits for every thread."""
        self.server_close()
        with self._lock:
            workers = list(self._workers.items())
        for worker, connection in workers:
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
            worker.join()


@contextmanager
def serve(
    now: Callable[[], datetime] = utc_now, port: int = 0, archive: Archive = newest_first
) -> Iterator[str]:
    """Serves the demo site on loopback while the context lasts; yields its base URL.

    `now` gives an aware instant for each call, port 0 takes a free port, `archive` gives the stored
    documents. Raises ServiceError when the port cannot be had.
    """
    try:
        server = DemoServer(port, now, archive)
    except (OSError, OverflowError) as error:
        raise ServiceError(
            f"The demo site cannot listen on port {port} of {HOST} ({error}): "
            "stop what uses it, or choose another port."
        ) from None
    listener = Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    listener.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        listener.join()
        server.close()


def main() -> None:
    """Serves until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Serves the demo site, a simulated person, on this machine.")
    parser.add_argument("--port", type=int, default=1337, help="where to listen (0: any free port)")
    port = parser.parse_args().port
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with serve(port=port) as url:
            sys.stdout.write(f"The demo site answers at {url} until Ctrl-C.\n")
            sys.stdout.flush()
            stopped.wait()
    except ServiceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
