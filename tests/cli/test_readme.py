"""What the pages and .env.example say exists: targets, commands with their options, files, settings."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from include.cli.main import app
from include.settings import PROJECT, Settings
from include.stack.environment_file import SECRETS
from tests.cli.homes import Home

README = (PROJECT / "README.md").read_text()
PAGES = [PROJECT / "README.md", PROJECT / "dags" / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = SHELL.findall(README)
TYPED = [
    line.split("#")[0].strip()
    for page in PAGES
    if page.parent.name != "decisions"  # those tell of what was
    for text in (*SHELL.findall(page.read_text()), *re.findall(r"`([^`\n]+)`", page.read_text()))
    for line in text.splitlines()
]
ENVIRONMENT = (PROJECT / ".env.example").read_text()
NAMED = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", ENVIRONMENT, re.MULTILINE))
OF_CONTAINERS = {*SECRETS, "LAKEHOUSE_PGWEB_PORT"}
EXAMPLES = {name: value for name, value in NAMED.items() if name not in OF_CONTAINERS}


def typed(program: str) -> list[list[str]]:
    """Every use of a program, split as a shell does."""
    lines = dict.fromkeys(line for line in TYPED if line.split(" ")[0] == program and " " in line)
    assert lines, f"no page shows a use of {program}"
    return [shlex.split(line) for line in lines]


def targets() -> set[str]:
    makefile = (PROJECT / "Makefile").read_text()
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


@pytest.mark.parametrize("words", typed("make"), ids=" ".join)
def test_every_target_exists(words: list[str]) -> None:
    makefile = (PROJECT / "Makefile").read_text()
    target, *variables = words[1:]
    assert target in targets()
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe
    for variable in variables:
        assert f"$({variable.partition('=')[0]})" in recipe.group(1)


def test_every_target_that_is_explained_is_phony_and_listed() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert explained == set(re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE))


@pytest.mark.parametrize("words", typed("lakehouse"), ids=" ".join)
def test_every_command_exists_with_its_options(words: list[str]) -> None:
    parsed(words[1:])


def test_every_command_of_the_makefile_exists() -> None:
    lines = re.findall(
        r"\$\(BIN\)/lakehouse ([a-z].*?)(?:;|$)", (PROJECT / "Makefile").read_text(), re.MULTILINE
    )
    assert len(lines) >= 5
    for line in lines:
        parsed(shlex.split(re.sub(r"\$\(if \$\(\w+\),(.*?)\$\(\w+\)\)", r"\1 2024-10-15", line)))


@pytest.mark.parametrize("words", [["sql", "select 1", "--tsv"], ["brunch", "list"], ["branch", "prune"]])
def test_a_command_that_does_not_exist_would_be_noticed(words: list[str]) -> None:
    with pytest.raises(Exception, match="No such"):
        parsed(words)


def parsed(words: list[str]) -> None:
    """Parse a line as the command does, without carrying it out."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "resolve_command"):
        context = command.make_context("lakehouse", list(words))
        _, command, words = command.resolve_command(context, words)
    command.make_context(command.name, list(words))


QUERIES = [words[2] for words in typed("lakehouse") if words[1] == "sql" and "..." not in words[2]]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_has_an_answer(lake: Home, query: str) -> None:
    assert len(lake.rows(query)) in (1, 4, 7)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_linked_file_exists(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", page.read_text()) if "://" not in link]
    assert links or page.name != "README.md" or page.parent.name == "dags"
    for link in links:
        assert (page.parent / link).exists(), link


def test_every_folder_in_the_table_exists_and_none_is_missing() -> None:
    section = README.partition("## Where things are")[2]
    told = set(re.findall(r"`([a-z_/]+/)`", section))
    for folder in told:
        assert any((PROJECT / folder).iterdir()), folder
    parts = {f"include/{path.parent.name}/" for path in (PROJECT / "include").glob("*/__init__.py")}
    assert parts <= told


def test_env_example_names_every_setting_and_no_other() -> None:
    assert set(NAMED) == {name.upper() for name in Settings.model_fields} | OF_CONTAINERS


def test_env_example_holds_no_secret() -> None:
    assert {NAMED[name] for name in SECRETS} == {""}


def test_env_example_can_be_used_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EXAMPLES:
        monkeypatch.delenv(name, raising=False)  # that of Airflow's tests names their home
    for name, value in EXAMPLES.items():
        file = tmp_path / f"{name}.env"
        file.write_text(f"{name}={value}\n")
        read = getattr(Settings(_env_file=file), name.lower())
        if isinstance(read, SecretStr):
            read = read.get_secret_value()
        if isinstance(read, Path):
            read = read.relative_to(PROJECT)
        if isinstance(read, bool):
            read = str(read).lower()
        assert value == ("" if read is None else f"{read:g}" if isinstance(read, float) else str(read))


def test_env_example_shows_the_defaults() -> None:
    defaults = Settings.model_construct()
    for name, value in EXAMPLES.items():
        default = getattr(defaults, name.lower())
        if default is None:
            continue
        assert value == str(default.relative_to(PROJECT) if isinstance(default, Path) else default), name


def test_settings_of_the_readme_are_settings() -> None:
    names = set(re.findall(r"^([A-Z][A-Z_]+)=", "\n".join(CODE), re.MULTILINE))
    assert names == {"NIGHTSCOUT_URL", "NIGHTSCOUT_TOKEN", "NIGHTSCOUT_TIME_ZONE"}
    assert names <= set(EXAMPLES)


def test_the_dags_of_the_pages_exist() -> None:
    tested = {tuple(words[3:]) for words in typed("airflow") if words[:3] == ["airflow", "dags", "test"]}
    assert tested == {("nightscout_glucose", "2024-10-15"), ("lakehouse_maintenance",)}
    for dag_id, *_ in tested:
        assert (PROJECT / "dags" / f"{dag_id}.py").exists()
