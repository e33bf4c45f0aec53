# Airflow with the project in it, for docker-compose.yaml.
FROM apache/airflow:3.3.2-python3.12

# A venv of its own: the locked packages that the tests run on, and none of the providers of the base image.
ENV VIRTUAL_ENV=/opt/airflow/.venv \
    PATH=/opt/airflow/.venv/bin:$PATH
RUN python -m venv /opt/airflow/.venv \
    && /opt/airflow/.venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check uv==0.13.9
COPY --chown=airflow:0 requirements.txt /opt/airflow/
RUN --mount=type=cache,uid=50000,target=/tmp/.cache/uv \
    uv pip install --quiet --require-hashes --compile-bytecode -r /opt/airflow/requirements.txt

COPY --chown=airflow:0 LICENSE README.md pyproject.toml /opt/airflow/
COPY --chown=airflow:0 include /opt/airflow/include
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 dags /opt/airflow/dags
RUN --mount=type=cache,uid=50000,target=/tmp/.cache/uv \
    uv pip install --quiet --no-deps --editable /opt/airflow
# A new volume takes its owner from here.
RUN mkdir -p /opt/airflow/lakehouse

# What include/orchestration/environment.py sets for an Airflow without containers.
ENV LAKEHOUSE_HOME=/opt/airflow/lakehouse \
    AIRFLOW_HOME=/opt/airflow/lakehouse/airflow \
    AIRFLOW__API__PORT=8080 \
    AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT=120 \
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/airflow/dags \
    AIRFLOW__CORE__EXECUTOR=LocalExecutor \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__CORE__MAX_MAP_LENGTH=10000 \
    AIRFLOW__CORE__PARALLELISM=8 \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/airflow/plugins \
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=/opt/airflow/lakehouse/airflow/passwords.json \
    AIRFLOW__COSMOS__CACHE_DIR=/opt/airflow/lakehouse/airflow/cosmos \
    AIRFLOW__COSMOS__ENABLE_DAG_VERSIONING=False \
    AIRFLOW__COSMOS__ENABLE_ORJSON_PARSER=True \
    AIRFLOW__COSMOS__ENABLE_TELEMETRY=False \
    AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT=180 \
    AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL=300 \
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=/opt/airflow/lakehouse/airflow/logs \
    AIRFLOW__OPENLINEAGE__DISABLED=True \
    AIRFLOW__OPENLINEAGE__NAMESPACE=nightscout \
    AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT=60 \
    ARROW_DEFAULT_MEMORY_POOL=system \
    DBT_LOG_LEVEL_FILE=none \
    DBT_LOG_PATH=/opt/airflow/lakehouse/dbt/logs \
    DBT_PROFILES_DIR=/opt/airflow/include/dbt \
    DBT_PROJECT_DIR=/opt/airflow/include/dbt \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    DBT_TARGET_PATH=/opt/airflow/lakehouse/dbt \
    DO_NOT_TRACK=1 \
    MALLOC_ARENA_MAX=2 \
    OPENLINEAGE_DISABLED=true \
    PROVIDERS__ENABLE_AIRFLOW_SECRETS=false \
    RESTORE_FROM_DESTINATION=false \
    RUNTIME__DLTHUB_TELEMETRY=false \
    SCARF_NO_ANALYTICS=true \
    _RJEM_MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0
