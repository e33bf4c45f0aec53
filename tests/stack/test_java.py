"""Finding a Java that is new enough, among programs that only say that they are one."""

from pathlib import Path

import pytest

from include.cli.main import main
from include.errors import ServiceError
from include.stack import java
from include.stack.java import find_java


def fake_java(home: Path, version: str) -> Path:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\n[ "$1" = -version ] && echo \'openjdk version "{version}" 2025\' >&2\n')
    program.chmod(0o755)
    return home


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(java, "FOLDERS", (str(tmp_path / "jvm" / "*"),))


def test_java_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = fake_java(tmp_path / "named", "24")
    fake_java(tmp_path / "jvm" / "newer", "26.0.1")
    monkeypatch.setenv("JAVA_HOME", str(named))
    assert find_java() == named


def test_java_on_the_path_is_followed_to_its_folder(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "elsewhere", "25.0.3")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "java").symlink_to(home / "bin" / "java")
    assert find_java() == home


def test_one_that_is_too_old_does_not_hide_one_that_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "1.8.0_402")))
    fake_java(tmp_path / "jvm" / "jdk-17", "17.0.15")
    newer = fake_java(tmp_path / "jvm" / "jdk-25", "25")
    assert find_java() == newer


def test_all_too_old(tmp_path: Path) -> None:
    fake_java(tmp_path / "jvm" / "jdk-8", "1.8.0_402")
    newest = fake_java(tmp_path / "jvm" / "jdk-17", "17.0.15")
    with pytest.raises(ServiceError, match=f"needs Java 24, and {newest} is Java 17: install a JDK 24"):
        find_java()


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho hello\n", "#!/no/such/shell\n"])
def test_what_does_not_start_is_no_java(tmp_path: Path, script: str) -> None:
    (fake_java(tmp_path / "jvm" / "broken", "25") / "bin" / "java").write_text(script)
    with pytest.raises(ServiceError, match="none was found"):
        find_java()


def test_stack_up_without_java_says_so_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.argv", ["lakehouse", "stack", "up"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    (sentence,) = said.err.splitlines()
    assert sentence.startswith("lakehouse: Trino needs Java, and none was found: install a JDK 24")
