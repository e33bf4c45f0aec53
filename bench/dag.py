"""A whole `airflow dags test nightscout_glucose`, beside that of a Dag with one task that does nothing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.laboratory import laboratory, middle

DAG = "nightscout_glucose"
ROUNDS = 3
TRIVIAL = Path(__file__).parent / "dags"


def measure() -> None:
    """Print the ratios of a day (with a year of history) and of 90 days in one run."""
    today = datetime.now(UTC).date()

    def form(days: int) -> str:
        return json.dumps({"start": (today - timedelta(days=days - 1)).isoformat(), "end": today.isoformat()})

    with laboratory() as lab:
        lab.airflow("dags", "test", DAG, "--conf", form(365))
        trivial, day, quarter = [], [], []
        for number in range(ROUNDS):
            key = (today - timedelta(days=30 + number)).isoformat()
            trivial.append(lab.airflow("dags", "test", "trivial", dags=TRIVIAL))
            day.append(lab.airflow("dags", "test", DAG, key))
            quarter.append(lab.airflow("dags", "test", DAG, "--conf", form(90)))
    for title, costs, limit, aim in (
        ("one day, a year of history", day, 2.5, 1.8),
        ("90 days in one range run", quarter, 3.0, 2.3),
    ):
        ratio = middle(costs, "wall_seconds") / middle(trivial, "wall_seconds")
        cpu = middle(costs, "cpu_seconds") / middle(trivial, "cpu_seconds")
        print(
            f"dags test, {title}: {ratio:.2f} times a trivial Dag (CPU {cpu:.2f} times); "
            f"at most {limit}, aim {aim}"
        )
    print(
        f"  trivial {middle(trivial, 'wall_seconds'):.1f} s, day {middle(day, 'wall_seconds'):.1f} s, "
        f"90 days {middle(quarter, 'wall_seconds'):.1f} s (medians of {ROUNDS})"
    )
