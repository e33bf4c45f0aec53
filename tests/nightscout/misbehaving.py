"""A server on loopback that answers each request with exactly the bytes, or the silence, a test wants."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    target: str
    headers: dict[str, str]  # names in lower case

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


Reply = Callable[[socket.socket, threading.Event], None]
Respond = Callable[[Request], Reply]


def answer(body: bytes | str, status: int = 200, **headers: str) -> Reply:
    """A whole answer; header names are given with _ for -."""
    data = body.encode() if isinstance(body, str) else body

    def send(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(_head(status, headers | {"Content_Length": str(len(data))}) + data)

    return send


def documents(*listed: dict[str, Any]) -> Reply:
    """A JSON array."""
    return answer(json.dumps(listed))


def cut_short(body: bytes, promised: int) -> Reply:
    """Less than the length that the head promises, then a proper end of the connection."""

    def send(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(_head(200, {"Content_Length": str(promised)}) + body)

    return send


def reset(body: bytes) -> Reply:
    """Part of an answer, then the connection is torn down."""

    def send(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(_head(200, {"Content_Length": str(len(body) + 1000)}) + body)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return send


def hang(connection: socket.socket, is_over: threading.Event) -> None:
    """Never answers."""
    is_over.wait()


def drip(connection: socket.socket, is_over: threading.Event) -> None:
    """Begins an array and adds one space after the other to it, for a very long time."""
    connection.sendall(_head(200, {}) + b"[")
    for _ in range(10_000):
        if is_over.wait(0.001):
            return
        connection.sendall(b" ")


def endless(connection: socket.socket, is_over: threading.Event) -> None:
    """An array that is sent as fast as it is read: 64 MiB of it, and more than anybody should read."""
    connection.sendall(_head(200, {}) + b"[")
    for _ in range(1024):
        if is_over.is_set():
            return
        connection.sendall(b" " * 65536)


def in_turn(*replies: Reply) -> Respond:
    """The replies one after the other, the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass
class MisbehavingServer:
    """Answers with `respond`, one connection after the other, and keeps every request."""

    port: int
    respond: Respond = field(default_factory=lambda: in_turn(answer("[]")))
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def replies(self, *replies: Reply) -> None:
        """From now on these, one after the other, the last one for ever."""
        self.respond = in_turn(*replies)


@contextmanager
def misbehaving_server(certificate: ssl.SSLContext | None = None) -> Iterator[MisbehavingServer]:
    """The server, while it is used; with a certificate it speaks https."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MisbehavingServer(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, server, is_over, certificate))
        thread.start()
        try:
            yield server
        finally:
            is_over.set()
            with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
                pass  # wakes the listener up
            thread.join()


def _serve(
    listener: socket.socket,
    server: MisbehavingServer,
    is_over: threading.Event,
    certificate: ssl.SSLContext | None,
) -> None:
    conversations = []
    while not is_over.is_set():
        connection, _ = listener.accept()
        conversation = threading.Thread(target=_converse, args=(connection, server, is_over, certificate))
        conversation.start()
        conversations.append(conversation)
    for conversation in conversations:
        conversation.join()


def _converse(
    connection: socket.socket,
    server: MisbehavingServer,
    is_over: threading.Event,
    certificate: ssl.SSLContext | None,
) -> None:
    with ExitStack() as stack:
        stack.enter_context(suppress(OSError))
        stack.enter_context(connection)
        if certificate:
            connection = stack.enter_context(certificate.wrap_socket(connection, server_side=True))
        text = b""
        while b"\r\n\r\n" not in text:
            received = connection.recv(65536)
            if not received:
                return
            text += received
        line, *lines = text.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
        request = Request(line.split(" ")[1], headers)
        server.requests.append(request)
        server.respond(request)(connection, is_over)
