"""The Dockerfile, read and carried out without a container engine: step by step, in a folder for its root."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from include.settings import PROJECT
from tests.deploy.compose_file import tracked

HOME = "/opt/airflow"  # the only folder of the image that steps write to


@dataclass(frozen=True)
class Step:
    """One instruction, on one line."""

    instruction: str
    rest: str


def read_steps() -> list[Step]:
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [
        Step(*(" ".join(part.split()) for part in line.split(maxsplit=1)))
        for line in text.splitlines()
        if line
    ]


def variables_of(step: Step) -> dict[str, str]:
    """What an ENV step sets, as it is written."""
    return dict(word.split("=", 1) for word in shlex.split(step.rest))


def copied_by(step: Step) -> tuple[list[str], str]:
    """Sources and target of a COPY step."""
    *sources, target = (word for word in step.rest.split() if not word.startswith("--chown="))
    return sources, target


@dataclass
class Image:
    """What the steps make, below `root`, on a base that is a new venv instead of an image."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)

    def carry_out(self, steps: list[Step]) -> None:
        """Each step in turn. Raises KeyError for an instruction that nobody here knows."""
        known = {"FROM": self._from, "ENV": self._env, "COPY": self._copy, "RUN": self._run}
        for step in steps:
            known[step.instruction](step)
            self.done.append(step)

    def run(self, command: list[str]) -> str:
        """Run a command in the image; its output. Raises AssertionError with that when it fails."""
        done = subprocess.run(
            command,
            cwd=self.root / HOME[1:],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def translated(self, text: str) -> str:
        return re.sub(rf"(?<![\w.])({HOME})(?![\w.-])", str(self.root / HOME[1:]), text)

    def _from(self, _: Step) -> None:
        (self.root / HOME[1:]).mkdir(parents=True)
        base = self.root / "base"
        programs = Path(sys.executable).parent
        subprocess.run([programs / "uv", "venv", "--quiet", "--python", sys.executable, base], check=True)
        inherited = {name: value for name, value in os.environ.items() if name != "SETTINGS_FILE"}
        self.environment = {**inherited, "PATH": f"{base / 'bin'}:/usr/bin:/bin"}

    def _env(self, step: Step) -> None:
        before = self.environment.copy()
        for name, value in variables_of(step).items():
            own = re.sub(r"\$(\w+)", lambda match: before[match[1]], self.translated(value))
            self.environment[name] = own

    def _copy(self, step: Step) -> None:
        sources, target = copied_by(step)
        for source in sources:
            files = [file for file in tracked() if file.is_relative_to(source)]
            assert files, f"{source} is not in git"
            for file in files:
                inside = Path(file.name) if target.endswith("/") else file.relative_to(source)
                place = Path(self.translated(target)) / inside
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / file, place)

    def _run(self, step: Step) -> None:
        # A cache is the engine's affair; here uv has its own.
        command = re.sub(r"^(--mount=\S+ )+", "", step.rest)
        self.run(["bash", "-o", "errexit", "-o", "nounset", "-o", "pipefail", "-c", self.translated(command)])
