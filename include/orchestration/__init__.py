"""Airflow's side: timetable, defaults, dbt task group, run keys, notifiers; the only package that knows it."""
