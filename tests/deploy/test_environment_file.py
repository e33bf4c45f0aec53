"""`make env`: what it adds to `.env`, and what it leaves alone."""

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from include.settings import PROJECT, Settings
from include.stack.environment_file import SECRETS, complete

OWN = "NIGHTSCOUT_URL=https://a.example\n# mine\nSTACK_LAKE_PASSWORD='a $ecret'\nexport STACK_JWT_SECRET=mine"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_holds_every_secret_and_no_two_alike(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert complete(file) == list(SECRETS)
    made = dotenv_values(file)
    assert list(made) == list(SECRETS)
    assert len(set(made.values())) == len(SECRETS)
    assert all(len(value or "") >= 20 for value in made.values())
    assert mode_of(file) == 0o600
    assert len(base64.urlsafe_b64decode(made["STACK_FERNET_KEY"] or "")) == 32


def test_two_files_share_no_secret(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    complete(one)
    complete(two)
    assert not set(dotenv_values(one).values()) & set(dotenv_values(two).values())


@pytest.mark.parametrize("nothing", ["", '""', "''", '"" '])
def test_what_a_file_holds_stays_and_an_empty_value_is_filled(tmp_path: Path, nothing: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{OWN}\nSTACK_NESSIE_PASSWORD={nothing}\n")
    file.chmod(0o644)
    added = complete(file)
    assert set(SECRETS) - set(added) == {"STACK_LAKE_PASSWORD", "STACK_JWT_SECRET"}
    assert file.read_text().startswith(OWN)
    values = dotenv_values(file)
    assert values["NIGHTSCOUT_URL"] == "https://a.example"
    assert values["STACK_JWT_SECRET"] == "mine"
    assert values["STACK_NESSIE_PASSWORD"]
    assert mode_of(file) == 0o600


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    complete(file)
    before = file.read_text()
    assert complete(file) == []
    assert file.read_text() == before


def test_a_linked_file_stays_linked(tmp_path: Path) -> None:
    file, link = tmp_path / "elsewhere", tmp_path / ".env"
    file.write_text("A=1\n")
    link.symlink_to(file)
    complete(link)
    assert link.is_symlink()
    assert set(dotenv_values(file)) == {"A", *SECRETS}


def test_the_native_side_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    complete(file)
    assert Settings(_env_file=file) == Settings(_env_file=None)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """The command of the Makefile, with nothing installed but Python itself."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "include.stack.environment_file"],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_needs_only_python_and_says_no_secret(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    assert first.stdout == f"{len(SECRETS)} secrets were added to .env; only you can read it.\n"
    assert second.stdout == ".env has every secret already; only you can read it.\n"
    assert not [value for value in dotenv_values(tmp_path / ".env").values() if (value or "") in first.stdout]
    makefile = (PROJECT / "Makefile").read_text()
    assert "$(PYTHON) -m include.stack.environment_file" in makefile


def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    failed = run(tmp_path)
    assert failed.returncode == 1
    assert failed.stderr == (
        ".env cannot be completed (Is a directory): see that this user can read and write it\n"
    )
