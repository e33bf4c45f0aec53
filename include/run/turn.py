"""A turn as the only writer, for a command that a person started."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import psutil

from include.errors import LakehouseError
from include.serving.lease import Lease, Leases, Owner
from include.serving.runs import FAILED, SUCCEEDED, Ending, end_run

COMMAND_LIFE = timedelta(minutes=30)
RENEW_SECONDS = 600.0
ASK_AGAIN_SECONDS = 2.0


def owner_of_this_process(dag_id: str, run_id: str) -> Owner:
    """An owner that ends with this process. `home` carries its start time: a number may be used again."""
    process = psutil.Process()
    return Owner(dag_id, run_id, f"{dag_id}#{process.create_time()}", process.pid, socket.gethostname())


def process_has_ended(owner: Owner) -> bool:
    """Whether the process that an owner cannot outlive is gone; False when that cannot be known from here."""
    _, _, started = owner.home.rpartition("#")
    if not owner.pid or owner.host != socket.gethostname() or not started:
        return False
    try:
        process = psutil.Process(owner.pid)
        return process.create_time() != float(started) or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def _renewed(leases: Leases, lease: Lease) -> Iterator[None]:
    """Renew the lease again and again while the block lasts: nobody knows how long dbt by hand takes."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEW_SECONDS):
            with suppress(LakehouseError):  # lost, or Postgres is away: the next time may go better
                leases.renew(lease)

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()


@contextmanager
def turn(leases: Leases, command: str, say: Callable[[str], None]) -> Iterator[Lease]:
    """Wait until nobody writes, hold the lease for the block, give it back. Says whom it waits for, once."""
    run_id = f"{command}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}"
    owner = owner_of_this_process("lakehouse", run_id)
    lease = leases.take(owner, COMMAND_LIFE, process_has_ended)
    if lease is None:
        holder = leases.holder()
        say(f"Waiting for {holder.dag_id} {holder.run_id} to end." if holder else "Waiting for another run.")
    while lease is None:
        time.sleep(ASK_AGAIN_SECONDS)
        lease = leases.take(owner, COMMAND_LIFE, process_has_ended)
    ending = Ending(FAILED)
    try:
        with _renewed(leases, lease):
            yield lease
        ending = Ending(SUCCEEDED)
    except LakehouseError as error:
        ending = Ending(FAILED, reason=str(error))
        raise
    finally:
        end_run(leases.postgres, lease.number, ending)
        leases.release(lease)
