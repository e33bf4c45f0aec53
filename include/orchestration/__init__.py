"""Airflow's side: timetable, defaults, tasks, the dbt group, notifiers; the only package that knows it."""
