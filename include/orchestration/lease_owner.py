"""Who holds the lease, in Airflow's terms: which run of which metadata database, and whether it goes on."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil

if TYPE_CHECKING:
    from include.serving.lease import Owner

SERVICE_PROCESS = "LAKEHOUSE_SERVICE_PROCESS"  # set by `service.serve` for the components it starts
UNFINISHED = ["queued", "running"]
TAKE_LEASE = "take_lease"  # the task by which a run takes the lease, and its states while the run may hold it
HOLDING = {"running", "success"}


def runs_in_process(context: Mapping[str, Any]) -> bool:
    """Whether the whole run is one process that a person started: `airflow dags test`, `dag.test()`."""
    return bool(context["dag_run"].triggering_user_name == "dag_test")


def owner_of(context: Mapping[str, Any]) -> "Owner":
    """The owner to take the lease as.

    `pid` is the process that the run cannot outlive, 0 when there is none: that of `dags test`, or the one
    that keeps scheduler and workers running on this machine. `home` (`metadata_database`) then ends with
    its start time, so that another process with the same number is not taken for it, nor two `dags test` of
    one day for one run.
    """
    from include.serving.lease import Owner

    run = context["dag_run"]
    pid = os.getpid() if runs_in_process(context) else int(os.environ.get(SERVICE_PROCESS, "0"))
    home = f"{metadata_database()}#{psutil.Process(pid).create_time()}" if pid else metadata_database()
    return Owner(run.dag_id, run.run_id, home, pid, socket.gethostname())


def has_ended(owner: "Owner", task_instance: Any) -> bool:
    """Whether the run of an owner can write no more.

    Its process is gone; or this metadata database, when it is the owner's, knows no such unfinished run, or
    the run was cleared and has to ask for its turn again. Of a run elsewhere nothing can be known: it is
    taken to go on until its lease expires.
    """
    from include.run.turn import process_has_ended

    if process_has_ended(owner):
        return True
    if owner.home.partition("#")[0] != metadata_database():
        return False
    run = {"dag_id": owner.dag_id, "run_ids": [owner.run_id]}
    if task_instance.get_dr_count(**run, states=UNFINISHED) == 0:
        return True
    states = task_instance.get_task_states(**run, task_ids=[TAKE_LEASE])
    return states.get(owner.run_id, {}).get(TAKE_LEASE) not in HOLDING


def metadata_database() -> str:
    """What tells this metadata database from every other: a name, made once, in a file in AIRFLOW_HOME.

    The folder's own name would not do: on two machines, or in two containers, it may be the same.
    """
    from airflow.configuration import AIRFLOW_HOME

    path = Path(AIRFLOW_HOME, "lakehouse.id")
    with suppress(FileExistsError), path.open("x") as new:
        new.write(f"{AIRFLOW_HOME} {uuid4().hex}")
    while not (name := path.read_text()):  # another process is about to write it
        time.sleep(0.01)
    return name
