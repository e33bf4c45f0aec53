"""The lakehouse of the profile trino: a Nessie catalog, Iceberg tables in an S3 store, Trino and DuckDB."""
