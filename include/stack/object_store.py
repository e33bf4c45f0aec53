"""The S3 store as PyArrow sees it."""

from pyarrow import fs

from include.stack.connection import REGION, LakeConnection


def object_store(lake: LakeConnection, *, answer_seconds: float, tries: int) -> fs.S3FileSystem:
    """A client with the lake's keys; folders are `bucket/path`."""
    return fs.S3FileSystem(
        access_key=lake.access_key_id,
        secret_key=lake.secret_access_key,
        endpoint_override=lake.s3_endpoint,
        region=REGION,
        connect_timeout=answer_seconds,
        request_timeout=answer_seconds,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=tries),
    )
