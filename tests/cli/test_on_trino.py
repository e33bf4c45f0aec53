"""Commands of an analyst on the profile trino: main through Trino, versions and branches by their names."""

import pytest

from include.lakehouse import open_lakehouse
from include.settings import Settings
from include.stack.services import trino_is_ready
from tests.cli.homes import Commands, Home
from tests.free_ports import free_port
from tests.lakehouse.both import empty as empty_stack
from tests.lakehouse.test_versions import promoted
from tests.stack_fixture import environment_of

pytestmark = pytest.mark.stack

COUNT = "select count(*) as n from raw.glucose_entries"


@pytest.fixture
def lake(commands: Commands, stack: Settings) -> Home:
    """A lake of two versions, of one reading and of two. Behind a proxy that loopback does not need."""
    empty_stack(stack)
    lakehouse = open_lakehouse(stack)
    for name in ("v1", "v2"):
        promoted(lakehouse, name)
    nowhere = f"http://127.0.0.1:{free_port()}"
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), nowhere)
    return Home(commands, stack.lakehouse_home, environment_of(stack) | proxy)


def test_sql_asks_main_through_trino_and_a_version_by_its_name(lake: Home) -> None:
    of_trino_alone = "select element_at(array[1], 1) as one"
    assert lake.lakehouse("sql", of_trino_alone, "--json").rows == [{"one": 1}]
    assert lake.rows(COUNT) == [{"n": 2}]
    assert lake.rows(COUNT, ref="v1") == [{"n": 1}]
    assert [row["version"] for row in lake.lakehouse("history", "--json").rows] == ["v2", "v1"]


def test_what_cannot_be_asked_is_one_sentence(lake: Home) -> None:
    for arguments, said in (
        (("sql", COUNT, "--ref", "gone"), "gone"),
        (("sql", "drop table lake.raw.glucose_entries"), "only a single query"),
        (("sql", "select * from raw.no_such_table"), "no_such_table"),
    ):
        done = lake.lakehouse(*arguments)
        assert done.code == 2
        assert done.sentence.startswith("lakehouse: ")
        assert said in done.sentence
    assert lake.rows(COUNT) == [{"n": 2}]


def test_dbt_reaches_trino_past_a_proxy(lake: Home) -> None:
    done = lake.lakehouse("dbt", "--", "debug")
    assert done.code == 0, done.err


def test_trino_is_ready_past_a_proxy(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert trino_is_ready(stack)


def test_a_branch_to_try_something_on(lake: Home, stack: Settings) -> None:
    made = lake.lakehouse("branch", "create", "idea")
    assert made.code == 0, made.err
    assert 'sql --ref idea "select' in made.out
    promoted(open_lakehouse(stack), "v3")
    assert lake.rows(COUNT, ref="idea") == [{"n": 2}]
    assert lake.rows(COUNT) == [{"n": 3}]
    listed = lake.lakehouse("branch", "list", "--json").rows
    assert [(row["branch"], row["base"]) for row in listed] == [("idea", "v2")]
    assert lake.lakehouse("branch", "drop", "idea").code == 0
    assert lake.lakehouse("branch", "list", "--json").rows == []
    assert "idea" in lake.lakehouse("sql", COUNT, "--ref", "idea").sentence
