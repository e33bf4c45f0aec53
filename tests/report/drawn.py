"""What a figure of the page shows, read back from where its SVG draws it."""

import re
from collections.abc import Iterator

import numpy as np

Points = list[tuple[float, float]]
NUMBERS = re.compile(r"[ML] (-?[\d.]+) (-?[\d.]+)")


class Drawn:
    """One figure by its name; points are minutes of the day and a share of the height of the axes."""

    def __init__(self, html: str, name: str) -> None:
        start = html.index(f'<g id="{name}-figure_1">')
        self.svg = html[start : html.index("</svg>", start)]
        (axes,) = re.findall(rf'<g id="{name}-patch_2">\s*<path d="([^"]*)"', self.svg)
        xs, ys = zip(*_numbers(axes), strict=True)
        self.left, self.right, self.top, self.bottom = min(xs), max(xs), min(ys), max(ys)

    def lines(self, width: float) -> list[Points]:
        """The lines of this width."""
        found = re.findall(rf'<path d="([^"]*)" [^>]*stroke-width: {width}; ', self.svg)
        return [self._on_axes(_numbers(path)) for path in found]

    def areas(self, color: str) -> list[Points]:
        """The outlines of what is filled with this colour."""
        areas = rf'd="([^"]*)"/>\s*</defs>\s*<g [^>]*>\s*<use [^>]*x="0" y="([\d.]+)" style="fill: {color}"'
        return [
            self._on_axes((x, y + float(offset)) for x, y in _numbers(path))
            for path, offset in re.findall(areas, self.svg)
        ]

    def _on_axes(self, points: Iterator[tuple[float, float]]) -> Points:
        width, height = self.right - self.left, self.bottom - self.top
        return [(1440 * (x - self.left) / width, (self.bottom - y) / height) for x, y in points]


def farthest(line: Points, points: Points) -> float:
    """How far above or below the line the farthest of the points is."""
    minutes, heights = zip(*line, strict=True)
    return max(abs(float(np.interp(minute, minutes, heights)) - height) for minute, height in points)


def _numbers(path: str) -> Iterator[tuple[float, float]]:
    return ((float(x), float(y)) for x, y in NUMBERS.findall(path))
