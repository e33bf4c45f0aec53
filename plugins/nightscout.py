"""What Airflow has to know by name: the timetable. Its code lives in `include/orchestration`."""

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.timetable import DailyPartitionTimetable


class NightscoutPlugin(AirflowPlugin):
    """Registers the timetable; without it a serialized Dag cannot be read back."""

    name = "nightscout"
    timetables = [DailyPartitionTimetable]  # noqa: RUF012 (Airflow's own interface)
