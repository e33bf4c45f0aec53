"""What the tests of the Airflow side share."""

from tests.orchestration.airflow_home import airflow_database, dag_bag, lakehouse_home, manifest

__all__ = ["airflow_database", "dag_bag", "lakehouse_home", "manifest"]
