"""What Airflow has to know by name: the timetable, and the pages of reports. Their code lives in
`include/orchestration`."""

from airflow.plugins_manager import AirflowPlugin

from include.orchestration.report_pages import PREFIX, VIEW, ReportPages
from include.orchestration.timetable import DailyPartitionTimetable


class NightscoutPlugin(AirflowPlugin):
    """Registers the timetable, without which a serialized Dag cannot be read back, and the reports."""

    name = "nightscout"
    timetables = [DailyPartitionTimetable]  # noqa: RUF012 (Airflow's own interface)
    fastapi_apps = [{"app": ReportPages(), "url_prefix": PREFIX, "name": VIEW["name"]}]  # noqa: RUF012
    external_views = [VIEW]  # noqa: RUF012
