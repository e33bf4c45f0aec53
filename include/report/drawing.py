"""A figure of Matplotlib as SVG inside a page: no script, no metadata, same bytes for same numbers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib; sizes are measured with it everywhere
    "font.size": 8.0,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": "#333333",
    "axes.linewidth": 0.6,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "hatch.linewidth": 0.4,
    "path.simplify": False,  # every reading is drawn
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
ANCHOR = re.compile(r'(\bid="|href="#|url\(#)')


class Drawing:
    """One figure with one pair of axes; `svg` is what came of it, once the block that made it has ended."""

    def __init__(self, width_inches: float, height_inches: float) -> None:
        self.figure = Figure(figsize=(width_inches, height_inches))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.svg = Markup()

    def margins(self, *, left: float, right: float, bottom: float, top: float) -> None:
        """Leave so many inches around the axes."""
        width, height = self.figure.get_size_inches()
        self.axes.set_position(
            (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
        )


@contextmanager
def drawing(name: str, width_inches: float, height_inches: float) -> Iterator[Drawing]:
    """Draw within the block. `name` is unique on the page: ids of the SVG start with it."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        drawn = Drawing(width_inches, height_inches)
        drawn.axes.spines[["top", "right"]].set_visible(False)
        yield drawn
        text = StringIO()
        drawn.figure.savefig(text, format="svg", transparent=True, metadata=NO_METADATA)
    whole = text.getvalue()
    inner = ANCHOR.sub(lambda found: f"{found.group(1)}{name}-", whole[whole.index("<svg") :])
    # Matplotlib escapes the text that it is given.
    drawn.svg = Markup(inner)  # noqa: S704
