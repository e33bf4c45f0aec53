-- Run once by the image of Postgres, in a new volume. The passwords come from its environment.
\getenv lake_password LAKE_PASSWORD
\getenv reader_password READER_PASSWORD
\getenv nessie_password NESSIE_PASSWORD
\getenv airflow_password AIRFLOW_PASSWORD

-- The published tables and the lease, as in include/serving/server.py.
create role lake login password :'lake_password';
create role glucose_reader login password :'reader_password';
alter role glucose_reader set default_transaction_read_only = on;
create database lakehouse owner lake;
revoke all on database lakehouse from public;
grant connect on database lakehouse to glucose_reader;

-- Nessie's branches, as in include/stack/version_store.py.
create role nessie login password :'nessie_password';
create database nessie owner nessie;
revoke all on database nessie from public;

-- Nobody but the superuser has anything to do in those that came with the server.
revoke all on database postgres from public;
revoke all on database template1 from public;

-- Airflow's metadata. At the end, may it log in: that is what the health check tries.
create role airflow password :'airflow_password';
create database airflow owner airflow;
revoke all on database airflow from public;
alter role airflow login;
