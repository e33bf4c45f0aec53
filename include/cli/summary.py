"""What `make run` ends with: each day's readings, mean and time in range, and where to look next."""

from include.cli.output import Row, console, say, show
from include.glucose import HIGH_MG_DL, LOW_MG_DL
from include.lakehouse import open_lakehouse
from include.report.files import page_path, pages
from include.report.units import Units
from include.settings import Settings

DAYS = """
    select days.*, sites.display_units
    from marts.mrt_glucose_overview as days
    join gold.dim_sites as sites on sites.site_id = days.site_id and sites.is_current
    where days.reading_count > 0
    order by days.site_id, days.reading_date
"""
SHOWN_DAYS = 14

NEXT = """
Next: [bold]make shell[/bold], then
  lakehouse status                 what was loaded, what is wrong
  lakehouse sql "select ..."       query the lake
  lakehouse report --days 90       the report of a longer period
  lakehouse connect                connect a BI tool to the published tables
or [bold]make up[/bold] for Airflow's UI and hourly runs."""


def show_summary(settings: Settings) -> None:
    """Print the last days of each site, from main. Numbers are rounded here, nowhere else."""
    days = open_lakehouse(settings).at("main").query(DAYS).to_pylist()
    for site_id in sorted({day["site_id"] for day in days}):
        of_site = [day for day in days if day["site_id"] == site_id]
        shown = of_site[-SHOWN_DAYS:]
        more = (
            f" (the last {len(shown)} of {len(of_site)} days with readings)"
            if len(shown) < len(of_site)
            else ""
        )
        show([_row(day) for day in shown], title=f"Site {site_id}{more}")
    if not days:
        console.print("No readings were found in this range.")
    for site_id, period in pages(settings.lakehouse_home):
        say(f"The report of {site_id}, {period} days: {page_path(settings.lakehouse_home, site_id, period)}")
    console.print(NEXT, markup=True)


def _row(day: Row) -> Row:
    units = Units(day["display_units"])
    low = units.text(LOW_MG_DL)
    return {
        "day": f"{day['reading_date']} {day['day_name'][:3]}",
        "readings": f"{day['reading_count']} of {day['expected_count']}",
        f"mean {units.name}": units.text(day["avg_glucose_mg_dl"]),
        f"{low}-{units.text(HIGH_MG_DL)} %": f"{day['time_in_range_pct']:.0f}",
        f"below {low} %": f"{day['time_below_range_pct']:.1f}",
        "": "" if day["is_sufficient"] else "little data",
    }
