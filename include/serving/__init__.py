"""Postgres: the lease, the published marts, their roles."""
