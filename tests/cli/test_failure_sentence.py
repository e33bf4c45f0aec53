"""What `lakehouse run` says when the run failed."""

from pathlib import Path

import pytest

from include.cli.run import failure_sentence


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("the lake is full", "the lake is full."),
        ("set it to a free port", "set it to a free port."),
        ("Write it like 2024-10-31.", "Write it like 2024-10-31."),
        ("is that your site?", "is that your site?"),
    ],
)
def test_the_reason_is_a_sentence_before_the_place_of_the_log(tmp_path: Path, reason: str, said: str) -> None:
    log = tmp_path / "run.log"
    log.write_text(
        f"first\ninclude.errors.ServiceError: another\ninclude.errors.ServiceError: {reason}\nlast\n"
    )
    assert failure_sentence(log) == f"{said} The full log: {log}"


def test_a_log_without_a_reason(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("Killed\n")
    assert failure_sentence(log) == f"The run failed. The full log: {log}"
