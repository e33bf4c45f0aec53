"""Print what runs cost on this machine."""

import os
import platform
import sys

from bench import dag, marts, memory, merge, steps, trino

PARTS = {
    "merge": merge.measure,
    "steps": steps.measure,
    "marts": marts.measure,
    "dag": dag.measure,
    "memory": memory.measure,
    "trino": trino.measure,
}


def main() -> None:
    """Measure the parts that are named, by default all."""
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
