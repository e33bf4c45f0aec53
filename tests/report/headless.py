"""A real browser without a screen: Chromium as npm has it, with the libraries and the font that it brings."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import npm_packages

HERE = Path(__file__).parent / "browser"
SHEET = re.compile(rb"/Type\s*/Page\b")
# The package's own configuration looks below /tmp, wherever it was unpacked to; without a font a page has no
# letters, and every page fits.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="cwd">unpacked/fonts/fonts</dir>
  <cachedir prefix="cwd">unpacked/font-cache</cachedir>
</fontconfig>
"""


@dataclass(frozen=True)
class Look:
    """What a page looks like on a `phone` and on a `desktop`, and what the browser complained about."""

    phone: dict[str, Any]
    desktop: dict[str, Any]
    problems: list[str]
    folder: Path

    def sheets(self, paper: str) -> int:
        """How many sheets of `A4` or `Letter` it prints on."""
        return len(SHEET.findall((self.folder / f"{paper}.pdf").read_bytes()))


def look_at(address: str, folder: Path, *cookie: str) -> Look:
    """Open a page; `cookie` is the origin it belongs to, its name and its value."""
    installed = npm_packages.installed(HERE / "package.json", "chromium", _unpack)
    script = shutil.copy(HERE / "look.js", installed)
    found = _node(installed, str(script), address, str(folder), *cookie)
    return Look(**json.loads(found), folder=folder)


def _unpack(folder: Path) -> None:
    """The browser unpacks itself into its temporary folder when it is first asked for."""
    (folder / "unpacked").mkdir()
    ask = "import c from '@sparticuz/chromium'; await c.executablePath()"
    _node(folder, "--input-type=module", "--eval", ask)
    (folder / "unpacked" / "fonts" / "fonts.conf").write_text(FONTS)


def _node(folder: Path, *arguments: str) -> str:
    # The package brings what Amazon's Linux lacks only where it believes to be there; others lack it too.
    own = {"TMPDIR": str(folder / "unpacked"), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x"}
    done = subprocess.run(
        ["node", *arguments],  # noqa: S607 (wherever it is installed)
        cwd=folder,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
