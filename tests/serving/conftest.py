"""What the tests of serving share."""

from tests.postgres_fixture import postgres, postgres_settings

__all__ = ["postgres", "postgres_settings"]
