"""`lakehouse` commands and runs that share their imports, each in a process of its own.

A program: reads one JSON command a line (`environment` and `input`, with `arguments` of `lakehouse` or with
`request` and `run_id` of a run), forks, and answers with exit code, standard output and standard error.
"""

import json
import os
import resource
import sys
import threading
import traceback
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.cli.main import main as lakehouse
from include.errors import SITE_ERRORS, LakehouseError
from include.nightscout import transport
from include.run.pipeline import Pipeline
from include.run.turn import owner_of_this_process, process_has_ended
from include.run.unread import failed_window
from include.settings import Settings
from tests.forked import import_late_ones, make_manifest
from tests.run.steps import RESULTS

Facts = dict[str, Any]


def run(pipeline: Pipeline, request: Facts, run_id: str) -> None:
    """A run as the Dag does it: what fails goes to the verdict, and publish and close_run come always."""
    lease = pipeline.take_lease(owner_of_this_process("test", run_id), process_has_ended)
    assert lease is not None, f"{pipeline.leases.holder()} holds the lease"
    results: Facts = dict.fromkeys(RESULTS)
    failures: dict[str, str] = {}
    staged: list[Facts] = []
    try:
        plan = pipeline.plan(request, lease)
        branch = pipeline.open_branch(lease, plan)
        staged = results["staged"] = [stage(pipeline, window, branch) for window in plan["windows"]]
        results["validated"] = pipeline.validate(branch, staged)
        merged = results["merged"] = pipeline.merge(branch, staged)
        if {of["site_id"] for of in staged if "failed" not in of} - set(merged["left_out"]):
            pipeline.build(branch)
            results["audited"] = pipeline.audit(branch)
            results["promoted"] = pipeline.promote(branch, results["audited"])
    except Exception as error:  # noqa: BLE001 (any task may fail of anything)
        failures["step"] = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        results["published"] = pipeline.publish(lease)
        pipeline.verdict(staged, results["merged"], failures)
    finally:
        pipeline.close_run(lease, results | {"failures": failures})


def stage(pipeline: Pipeline, window: Facts, branch: Facts) -> Facts:
    try:
        return pipeline.stage(window, branch)
    except SITE_ERRORS as error:
        return failed_window(pipeline, window, str(error))


def carry_out(command: Facts) -> None:
    if limits := command.get("limits"):
        transport.Limits = partial(transport.Limits, **limits)  # type: ignore[assignment, misc]
    if "arguments" in command:
        sys.argv = ["lakehouse", *command["arguments"]]
        lakehouse()
        return
    try:
        run(Pipeline(), command["request"], command["run_id"])
    except LakehouseError as error:
        sys.exit(str(error))


def child(command: Facts, channels: list[int], parsed: Path) -> None:
    """Carry out one command and leave the process, whatever happens."""
    code: Any = 70
    try:
        for number, channel in enumerate(channels):
            os.dup2(channel, number)
        sys.stdin = os.fdopen(os.dup(0))
        os.environ.clear()
        os.environ.update(command["environment"])
        if "request" in command:
            make_manifest(Settings(), parsed)
        if "largest_file" in command:
            size = command["largest_file"]
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        carry_out(command)
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)  # noqa: T201
            code = 1
    except BaseException:  # noqa: BLE001 (reported to the parent; the process ends here)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def answer(command: Facts, parsed: Path) -> Facts:
    """Fork for a command and collect what it says."""
    pipes = [os.pipe() for _ in range(3)]
    pid = os.fork()
    if pid == 0:
        for ours in (pipes[0][1], pipes[1][0], pipes[2][0]):
            os.close(ours)
        child(command, [pipes[0][0], pipes[1][1], pipes[2][1]], parsed)
    for theirs in (pipes[0][0], pipes[1][1], pipes[2][1]):
        os.close(theirs)
    with os.fdopen(pipes[0][1], "w") as given:
        given.write(command["input"])
    said: dict[str, str] = {}

    def collect(name: str, channel: int) -> None:
        with os.fdopen(channel, errors="replace") as lines:
            said[name] = lines.read()

    readers = [
        threading.Thread(target=collect, args=of) for of in (("out", pipes[1][0]), ("err", pipes[2][0]))
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    _, status = os.waitpid(pid, 0)
    return said | {"code": os.waitstatus_to_exitcode(status)}


def main() -> None:
    # What the user of this machine configured is not what is tested.
    Settings.model_config["env_file"] = None
    import_late_ones()
    with TemporaryDirectory() as folder:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(answer(json.loads(line), Path(folder, "parsed"))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
