"""The treatments of a local day: what was written down, sent twice, corrected later, or taken back."""

from collections.abc import Iterator
from datetime import date

from include.glucose import MG_DL_PER_MMOL_L
from include.nightscout.demo.chance import between, falls_on, share
from include.nightscout.demo.days import (
    HOUR,
    MINUTE,
    at_clock,
    clock_hour,
    day_end,
    day_start,
    timestamp_text,
)
from include.nightscout.demo.entries import NOTEBOOK
from include.nightscout.demo.glucose import glucose_curve
from include.nightscout.demo.person import Meal, corrections, meals
from include.nightscout.demo.sensor import sessions_around
from include.nightscout.demo.versions import (
    HOUR_MS,
    NEVER,
    SECOND_MS,
    Document,
    ObjectId,
    Version,
    document_id,
    plain_number,
)

PUMP = "loop://iPhone"
PERSON = "Demo"

CARBS_EDIT_EVERY = 8
TIME_EDIT_EVERY = 9
MIDNIGHT_EDIT_EVERY = 15
DOUBLE_ENTRY_EVERY = 11
REPEATED_POST_EVERY = 10
SOFT_DELETION_EVERY = 25
SITE_CHANGE_EVERY = 3
NOTE_EVERY = 5
FINGER_EVERY = 3

BASAL_UNITS_PER_HOUR = ((0, 0.8), (4, 1.05), (9, 0.85), (17, 0.95), (22, 0.8))
TEMP_BASAL_STEP = 20 * MINUTE
NOTES = ("Long walk after lunch", "Felt tired", "Football training", "Dinner at a restaurant", "A cold")


def treatment_versions(day: date) -> tuple[Version, ...]:
    """Every version of every treatment written down on a local day, in no particular order."""
    return (
        *_meal_boluses(day),
        *_corrections(day),
        *_temp_basals(day),
        *_changes(day),
        *_notes(day),
        *_midnight_note(day),
        *_finger_checks(day),
    )


def _version(seconds: float, event_type: str, source: str, fields: Document, copy: int = 0) -> Version:
    instant = int(seconds * SECOND_MS)
    identifier = document_id(f"{event_type} {copy}", instant)
    document = {
        "_id": identifier if source == NOTEBOOK else ObjectId(identifier),
        "eventType": event_type,
        "created_at": timestamp_text(instant),
        "enteredBy": source,
        "utcOffset": 0,
        **fields,
    }
    return Version(instant, instant, NEVER, document)


def _meal_boluses(day: date) -> Iterator[Version]:
    """Three meals with their boluses; some are corrected later, entered twice, or sent twice."""
    index = day.toordinal()
    breakfast, lunch, dinner = meals(day)
    bolus = _meal_bolus(breakfast)
    if falls_on("edited carbs", day, CARBS_EDIT_EVERY):
        carbs = breakfast.carbs_grams + 5 + int(share("edited carbs", index) * 15)
        when = bolus.instant + between("edited carbs delay", index, 6, 24) * HOUR_MS
        yield from bolus.edited_at(when, carbs=carbs)
    elif falls_on("edited time", day, TIME_EDIT_EVERY):
        yield from _moved(bolus, between("edited time", index, 10, 40) * MINUTE, index)
    else:
        yield bolus
    yield _meal_bolus(lunch)
    if falls_on("double entry", day, DOUBLE_ENTRY_EVERY):
        again = _meal_bolus(lunch, seconds_later=between("double entry", index, 15, 50), copy=1)
        yield again.deleted_at(again.instant + between("double entry delay", index, 1, 30) * HOUR_MS)
    yield _meal_bolus(dinner)
    if falls_on("repeated post", day, REPEATED_POST_EVERY):
        yield _meal_bolus(dinner, copy=1)


def _meal_bolus(meal: Meal, seconds_later: float = 0, copy: int = 0) -> Version:
    fields = {
        "carbs": meal.carbs_grams,
        "insulin": plain_number(meal.insulin_units, 2),
        "absorptionTime": 180,
        "notes": meal.name,
    }
    return _version(meal.bolus_at + seconds_later, "Meal Bolus", PUMP, fields, copy)


def _moved(version: Version, seconds_earlier: float, index: int) -> tuple[Version, Version]:
    """A treatment whose time somebody corrects to an earlier one, 6 to 24 hours later."""
    instant = int(version.instant - seconds_earlier * SECOND_MS)
    when = version.instant + between("moved delay", index, 6, 24) * HOUR_MS
    return version.edited_at(when, instant=instant, created_at=timestamp_text(instant))


def _corrections(day: date) -> Iterator[Version]:
    """Insulin against highs and carbs against lows; rarely one is marked as no longer valid."""
    for correction in corrections(day):
        if correction.insulin_units:
            units = plain_number(correction.insulin_units, 2)
            yield _version(correction.taken_at, "Correction Bolus", PUMP, {"insulin": units})
        else:
            yield _version(correction.taken_at, "Carb Correction", PERSON, {"carbs": correction.carbs_grams})
    if falls_on("soft deleted bolus", day, SOFT_DELETION_EVERY):
        mistaken = _version(at_clock(day, 16.25), "Correction Bolus", PUMP, {"insulin": 1.5})
        yield from mistaken.edited_at(mistaken.instant + 9 * HOUR_MS, isValid=False)


def _temp_basals(day: date) -> Iterator[Version]:
    """A closed loop sets the basal rate every 20 to 60 minutes, always for 30: the next one cuts the last."""
    curve = glucose_curve(day)
    for step in range(day_start(day) // TEMP_BASAL_STEP, day_end(day) // TEMP_BASAL_STEP):
        if share("temp basal", step) < 0.35:
            continue
        instant = step * TEMP_BASAL_STEP + between("temp basal delay", step, 0, 300)
        hour = clock_hour(instant)
        usual = [units for from_hour, units in BASAL_UNITS_PER_HOUR if hour >= from_hour][-1]
        wanted = usual * (1 + (curve(instant) - 120) / 90)
        rate = plain_number(round(min(max(wanted, 0), 2.4 * usual) * 20) / 20, 2)
        fields = {
            "temp": "absolute",
            "rate": rate,
            "absolute": rate,
            "duration": plain_number(30 + between("temp basal length", step, 0, 0.3), 4),
            "automatic": True,
        }
        yield _version(instant, "Temp Basal", PUMP, fields)


def _changes(day: date) -> Iterator[Version]:
    """Infusion set and sensor."""
    if falls_on("site change", day, SITE_CHANGE_EVERY):
        yield _version(
            at_clock(day, between("site change hour", day.toordinal(), 7, 21)), "Site Change", PUMP, {}
        )
    for worn in sessions_around(day):
        if day_start(day) <= worn.started_at < day_end(day):
            yield _version(worn.started_at, "Sensor Start", PERSON, {"notes": worn.device})


def _notes(day: date) -> Iterator[Version]:
    index = day.toordinal()
    if falls_on("note", day, NOTE_EVERY):
        text = NOTES[int(share("note text", index) * len(NOTES))]
        yield _version(at_clock(day, between("note hour", index, 9, 22)), "Note", PERSON, {"notes": text})


def _midnight_note(day: date) -> Iterator[Version]:
    """Now and then a note of the small hours is moved to the evening before: it leaves its day.

    Every other one was imported with an `_id` of text, which a look-up has to ask for in another way.
    """
    index = day.toordinal()
    if falls_on("midnight note", day, MIDNIGHT_EDIT_EVERY):
        source = NOTEBOOK if index // MIDNIGHT_EDIT_EVERY % 2 else PERSON
        written = day_start(day) + between("midnight note", index, 10, 50) * MINUTE
        note = _version(written, "Note", source, {"notes": "Changed the sheets, slept badly"})
        yield from _moved(note, HOUR, index)


def _finger_checks(day: date) -> Iterator[Version]:
    """Blood glucose in mmol/L, on a site whose sensor readings are mg/dL."""
    if falls_on("finger check", day, FINGER_EVERY):
        instant = at_clock(day, between("finger check hour", day.toordinal(), 6, 23))
        glucose_mmol_l = plain_number(glucose_curve(day)(instant) / MG_DL_PER_MMOL_L, 1)
        fields = {"glucose": glucose_mmol_l, "glucoseType": "Finger", "units": "mmol"}
        yield _version(instant, "BG Check", PERSON, fields)
