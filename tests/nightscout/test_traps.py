"""Nightscout's 24 traps for whoever copies its data, and the tests that keep us out of each."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
UNIT_TESTS = TESTS.parent / "include" / "dbt" / "models"
CLIENT, TRANSPORT = "nightscout/test_client.py", "nightscout/test_transport.py"
DOCUMENTS, VALIDATE, MERGE = (f"ingestion/test_{name}.py" for name in ("documents", "validate", "merge"))

# the trap, and in which file which test looks at it; a dbt unit test is in the YAML of its model
TRAPS = {
    "01 a last instant of 23:59:59.999 loses a reading": [
        (CLIENT, "test_the_last_reading_of_a_day_is_read_once"),
        ("ingestion/test_deletions.py", "test_bounds_are_half_open"),
    ],
    "02 a filter on dateString misses documents": [
        (CLIENT, "test_entries_are_asked_by_date_in_milliseconds")
    ],
    "03 ISO text or seconds as date select everything": [
        (CLIENT, "test_a_site_that_ignores_the_filter_is_not_trusted")
    ],
    "04 without filter four days, without count ten rows": [
        (CLIENT, "test_entries_are_asked_by_date_in_milliseconds")
    ],
    "05 a full page was cut": [(CLIENT, "test_full_pages_are_split_until_nothing_is_cut")],
    "06 without .json tab-separated text, http redirects": [
        (TRANSPORT, "test_what_came_instead_of_documents"),
        (TRANSPORT, "test_a_redirect_to_https_is_a_setting"),
    ],
    "07 a wrong secret makes the site slower": [(CLIENT, "test_a_token_that_is_refused")],
    "08 a 200 that is empty or HTML": [(TRANSPORT, "test_what_came_instead_of_documents")],
    "09 date is float, text or missing": [(DOCUMENTS, "test_trap_9_date_float_string_or_missing")],
    "10 sgv as text, sentinels, clipped values, other types": [
        (DOCUMENTS, "test_trap_10_sgv"),
        (DOCUMENTS, "test_trap_10_rows_of_other_types"),
        ("silver/unit_tests/int_slot_readings.yml", "what_is_a_reading"),
        ("silver/unit_tests/fct_glucose_readings.yml", "clipped_values_by_sensor"),
    ],
    "11 duplicates across devices": [
        ("silver/unit_tests/int_slot_readings.yml", "slot_rule_and_its_ties"),
        ("dbt/test_exports.py", "test_slot_rule_equals_the_oracle"),
    ],
    "12 sensors of one minute": [
        ("dbt/test_traces.py", "test_slots_drop_fourteen_readings"),
        (CLIENT, "test_full_pages_are_split_until_nothing_is_cut"),
    ],
    "13 late uploads and edits": [
        ("ingestion/test_plan.py", "test_a_scheduled_run_of_a_past_day_starts_lookback_days_before_it"),
        (MERGE, "test_a_reading_that_came_from_another_month_moves"),
        ("acceptance/test_real_nightscout.py", "test_what_changes_on_the_servers_changes_in_the_lake"),
    ],
    "14 hard deletes, soft deletes, pruning": [
        ("ingestion/test_deletions.py", "test_a_document_that_is_gone_becomes_a_tombstone"),
        ("ingestion/test_deletions.py", "test_of_a_site_that_prunes_what_is_older_than_its_answer_is_kept"),
        (MERGE, "test_invalid_retires_a_document_and_never_revives_it"),
    ],
    "15 dates in the future or before 2000": [
        (VALIDATE, "test_quarantined_entries_say_every_reason"),
        (VALIDATE, "test_traps_9_10_15_18_accepted_entries"),
    ],
    "16 offsets trusted, days of 23 and 25 hours": [
        (DOCUMENTS, "test_trap_16_the_offset_is_kept_and_moves_nothing"),
        ("silver/unit_tests/int_local_days.yml", "days_of_23_and_25_hours"),
    ],
    "17 fractions between two classes": [
        ("silver/unit_tests/fct_glucose_readings.yml", "categories_cover_fractions"),
        ("gold/unit_tests/fct_daily_glucose_metrics.yml", "five_classes_at_their_limits"),
    ],
    "18 a list of directions that is too short": [(DOCUMENTS, "test_trap_18_every_direction")],
    "19 rates across devices and gaps": [
        ("silver/unit_tests/fct_glucose_readings.yml", "rate_is_null_after_a_gap")
    ],
    "20 GMI of one day": [
        ("gold/unit_tests/int_trailing_glucose.yml", "gmi_needs_70_percent_of_the_expected_slots")
    ],
    "21 an open set of fields": [(DOCUMENTS, "test_trap_21_the_set_of_fields_is_open")],
    "22 tokens in URLs and logs": [("nightscout/test_secrets.py", "test_secrets_stay_secret")],
    "23 counts over the whole table": [
        ("gold/unit_tests/fct_daily_glucose_metrics.yml", "coverage_counts_what_was_expected")
    ],
    "24 units of glucose in treatments": [
        (DOCUMENTS, "test_trap_24_glucose_of_treatments_keeps_its_unit"),
        ("bronze/unit_tests/stg_treatments.yml", "glucose_of_treatments_in_mg_dl"),
    ],
}


def test_every_trap_is_listed() -> None:
    assert [int(trap[:2]) for trap in TRAPS] == list(range(1, 25))


@pytest.mark.parametrize("trap", TRAPS)
def test_the_tests_of_a_trap_exist(trap: str) -> None:
    for file, name in TRAPS[trap]:
        if file.endswith(".yml"):
            assert f"  - name: {name}\n" in (UNIT_TESTS / file).read_text()
        else:
            functions = ast.walk(ast.parse((TESTS / file).read_text()))
            assert name in {each.name for each in functions if isinstance(each, ast.FunctionDef)}
