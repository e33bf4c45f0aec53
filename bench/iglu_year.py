"""Seconds that iglu-python takes for what it shares with the marts; run in an environment of its own."""

import sys
import time

import iglu_python
import pandas

METRICS = (
    "mean_glu",
    "median_glu",
    "sd_glu",
    "cv_glu",
    "gmi",
    "in_range_percent",
    "above_percent",
    "below_percent",
    "quantile_glu",
    "lbgi",
    "hbgi",
    "gri",
    "j_index",
    "active_percent",
    "episode_calculation",
)

readings = pandas.read_csv(sys.argv[1], parse_dates=["time"])
started = time.perf_counter()
for metric in METRICS:
    getattr(iglu_python, metric)(readings)
print(time.perf_counter() - started)
