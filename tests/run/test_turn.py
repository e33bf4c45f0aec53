"""A command's turn as the only writer."""

import time
from datetime import datetime

import pytest

from include.errors import InputError
from include.run.turn import COMMAND_LIFE, owner_of_this_process, process_has_ended, turn
from include.serving.lease import Leases
from include.serving.postgres import Postgres
from tests.postgres_fixture import postgres, postgres_settings

__all__ = ["postgres", "postgres_settings"]

PATIENCE_SECONDS = 60.0


def expires_at(postgres: Postgres) -> datetime:
    with postgres.transaction() as connection:
        row = connection.execute("select expires_at from ops.lease").fetchone()
    assert row is not None
    return datetime.fromisoformat(str(row[0]))


def test_it_is_renewed_while_it_lasts(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.run.turn.RENEW_SECONDS", 0.05)
    leases = Leases(postgres)
    with turn(leases, "dbt", print):
        first, give_up = expires_at(postgres), time.monotonic() + PATIENCE_SECONDS
        while expires_at(postgres) == first:
            assert time.monotonic() < give_up
            time.sleep(0.01)
    assert leases.holder() is None


def test_it_is_given_back_when_the_command_fails(postgres: Postgres) -> None:
    leases = Leases(postgres)

    def fail() -> None:
        with turn(leases, "rollback", print):
            assert leases.holder() is not None
            raise InputError("no such version")

    with pytest.raises(InputError, match="no such version"):
        fail()
    assert leases.holder() is None
    assert leases.take(owner_of_this_process("next", "run"), COMMAND_LIFE, process_has_ended) is not None
