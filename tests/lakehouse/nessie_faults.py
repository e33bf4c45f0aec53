"""What goes wrong around a lake on Nessie: processes killed at a request, other hands on main."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from include.lakehouse import Lakehouse, open_lakehouse
from include.lakehouse.nessie.api import BRANCH, Nessie
from include.settings import Settings


def die_after(writes: int) -> None:
    """Be killed once Nessie did the `writes`-th change that this process asks for; 0: before the first."""
    send, left = Nessie._send, iter(range(writes))

    def counted(nessie: Nessie, method: str, *arguments: Any) -> Any:
        if method != "GET" and writes == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = send(nessie, method, *arguments)
        if method != "GET" and next(left) == writes - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Nessie._send = counted  # type: ignore[method-assign]


def promote_and_die(settings: Settings, name: str, head: str, writes: int) -> None:
    lakehouse = open_lakehouse(settings)
    die_after(writes)
    lakehouse.promote(name, head)


def open_and_die(settings: Settings, name: str, base: str, writes: int) -> None:
    lakehouse = open_lakehouse(settings)
    die_after(writes)
    lakehouse.open_branch(name, base)


@contextmanager
def lost_answer(nessie: type[Nessie], method: str, of_path: str, error: Exception) -> Iterator[None]:
    """Let the first such request arrive, and its answer get lost."""
    send: Callable[..., Any] = nessie._send
    lost: list[str] = []

    def losing(self: Nessie, asked: str, path: str, *arguments: Any) -> Any:
        answer = send(self, asked, path, *arguments)
        if not lost and asked == method and path.startswith(of_path):
            lost.append(path)
            raise error
        return answer

    nessie._send = losing  # type: ignore[method-assign]
    try:
        yield
    finally:
        nessie._send = send  # type: ignore[method-assign]
    assert lost, "no such request was made"


@contextmanager
def just_before(method: str, name: str, act: Callable[[], object]) -> Iterator[None]:
    """Let somebody else act once, before the first such call for the reference of this name."""
    call: Callable[..., Any] = getattr(Nessie, method)
    acted: list[str] = []

    def late(self: Nessie, *arguments: Any) -> Any:
        if not acted and name in [getattr(argument, "name", argument) for argument in arguments]:
            acted.append(name)
            act()
        return call(self, *arguments)

    setattr(Nessie, method, late)
    try:
        yield
    finally:
        setattr(Nessie, method, call)
    assert acted, "no such call was made"


def commit_by_hand(nessie: Nessie, schema: str, branch: str = "main") -> None:
    """What somebody else does to a branch: a commit that is none of ours."""
    ref = nessie.reference(branch)
    assert ref is not None
    assert ref.kind == BRANCH
    content = {"type": "NAMESPACE", "elements": [schema], "properties": {}}
    operation = {"type": "PUT", "key": {"elements": [schema]}, "content": content}
    nessie.commit(branch, ref.hash, "by hand", [operation], {})


def remove_by_hand(nessie: Nessie, name: str) -> None:
    ref = nessie.reference(name)
    assert ref is not None
    nessie.delete(ref)


def names(lakehouse: Lakehouse) -> list[tuple[str, bool]]:
    return [(version.name, version.is_main) for version in lakehouse.history()]
