"""Documents as uploaders really write them, one oddity a local day, and where each of them has to land."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Document = dict[str, Any]
Lands = dict[str, str]

READING, DUPLICATE, LEFT_OUT, RETIRED = "reading", "duplicate", "left out", "retired"
TREATMENT, PROFILE = "treatment", "profile"

LOOP, TRIO, AAPS = "loop://iPhone", "Trio", "openaps://AndroidAPS"


def instant(day: int, clock: str) -> str:
    """Of March 2025, in UTC, which is the site's zone."""
    return f"2025-03-{day:02}T{clock}{'' if clock.count(':') == 2 else ':00'}.000Z"


def milliseconds(day: int, clock: str) -> int:
    return round(datetime.fromisoformat(instant(day, clock)).timestamp() * 1000)


def entry(day: int, document_id: str, clock: str, sgv: Any, **changes: Any) -> Document:
    """As xDrip+ writes it, unless changed; a change to None leaves the field out."""
    document = {
        "_id": document_id,
        "type": "sgv",
        "sgv": sgv,
        "date": milliseconds(day, clock),
        "dateString": instant(day, clock),
        "direction": "Flat",
        "device": "xDrip-DexcomG6",
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def treatment(day: int, document_id: str, clock: str, event_type: str, **more: Any) -> Document:
    """Version 1 of the API always answers `insulin` and `carbs`, null where there are none."""
    document = {"_id": document_id, "eventType": event_type, "created_at": instant(day, clock)}
    return document | {"insulin": None, "carbs": None} | more


def temp_basal(day: int, document_id: str, clock: str, **more: Any) -> Document:
    return treatment(day, document_id, clock, "Temp Basal", **more)


@dataclass(frozen=True)
class Case:
    """The documents of one day; where each lands, by `_id`; and what marts say of the day."""

    day: int
    documents: list[Document]
    lands: Lands
    quality: Document = field(default_factory=dict)
    daily: Document = field(default_factory=dict)
    facts: dict[str, Document] = field(default_factory=dict)
    meals: dict[str, Document] = field(default_factory=dict)
    medications: dict[str, Document] = field(default_factory=dict)


ENTRIES = {
    "a date that is a float, as Loop, Trio and the G7 write it": Case(
        1,
        [entry(1, "float date", "12:00", 120, date=milliseconds(1, "12:00") + 105.5488)],
        {"float date": READING},
        quality={"kept_count": 1},
        facts={"float date": {"reading_timestamp": "2025-03-01 12:00:00.105548+00:00"}},
    ),
    "a date that is text, which no filter selects": Case(
        2,
        [entry(2, "text date", "12:00", 120, date=str(milliseconds(2, "12:00")))],
        {"text date": READING},
        quality={"kept_count": 1},
        facts={"text date": {"reading_timestamp": "2025-03-02 12:00:00+00:00"}},
    ),
    "no date, but a dateString of old servers with its own offset": Case(
        3,
        [entry(3, "old date", "12:00", 120, date=None, dateString="2025-03-03T02:44:15.000-07:00")],
        {"old date": READING},
        facts={"old date": {"reading_timestamp": "2025-03-03 09:44:15+00:00"}},
    ),
    "no date at all": Case(
        4,
        [entry(4, "no date", "12:00", 120, date=None, dateString=None)],
        {"no date": "quarantined: no usable date: the document has none"},
    ),
    "date and dateString that differ by years: date counts": Case(
        5,
        [entry(5, "two dates", "12:00", 120, dateString="2019-03-05T12:00:00.000Z")],
        {"two dates": READING},
        facts={"two dates": {"reading_timestamp": "2025-03-05 12:00:00+00:00"}},
    ),
    "sgv as text, as a fraction, as a word, and missing": Case(
        6,
        [
            entry(6, "text sgv", "12:00", "171"),
            entry(6, "fraction", "12:05", 180.5),
            entry(6, "word", "12:10", "LOW"),
            entry(6, "no sgv", "12:15", None),
        ],
        {
            "text sgv": READING,
            "fraction": READING,
            "word": "quarantined: sgv is not a number: 'LOW'",
            "no sgv": "quarantined: no sgv",
        },
        quality={"received_count": 4, "kept_count": 2, "quarantined_count": 2},
        facts={
            "text sgv": {"glucose_mg_dl": 171, "glucose_category": "in_range"},
            "fraction": {"glucose_mg_dl": 180.5, "glucose_category": "hyperglycemia_mild"},
        },
    ),
    "error codes of the sensor, and glucose at its limits": Case(
        7,
        [
            *(entry(7, f"code {code}", f"12:{5 * n:02}", code) for n, code in enumerate((1, 5, 12))),
            entry(7, "low", "13:00", 39),
            entry(7, "high", "13:05", 401),
            entry(7, "true low", "13:10", 25),
            entry(7, "too high", "13:15", 1023),
        ],
        {
            **{f"code {code}": LEFT_OUT for code in (1, 5, 12)},
            "low": READING,
            "high": READING,
            "true low": READING,
            "too high": LEFT_OUT,
        },
        quality={"received_count": 7, "kept_count": 3, "excluded_count": 4, "clipped_count": 2},
    ),
    "meters and calibrations": Case(
        8,
        [
            entry(8, "meter", "12:00", None, type="mbg", mbg=104, device="Contour Next"),
            entry(8, "calibration", "12:05", None, type="cal", slope=895.8, intercept=31204, scale=1),
        ],
        {"meter": LEFT_OUT, "calibration": LEFT_OUT},
        quality={"received_count": 2, "kept_count": 0, "other_type_count": 2, "excluded_count": 0},
    ),
    "no type, or one that nobody knows": Case(
        9,
        [entry(9, "untyped", "12:00", 120, type=None), entry(9, "etc", "12:05", 120, type="etc")],
        {"untyped": LEFT_OUT, "etc": LEFT_OUT},
        quality={"received_count": 2, "kept_count": 0, "excluded_count": 2},
    ),
    "a sensor of one minute: the last reading of five minutes stays": Case(
        10,
        [entry(10, f"minute {minute}", f"12:{minute:02}", 100 + minute) for minute in range(10)],
        {f"minute {minute}": READING if minute in (4, 9) else DUPLICATE for minute in range(10)},
        quality={"received_count": 10, "kept_count": 2, "duplicate_count": 8},
    ),
    "two sensors in overlap, with different values": Case(
        11,
        [
            entry(11, "old sensor", "12:01:10", 142, device="Dexcom G7 DXCM0G"),
            entry(11, "new sensor", "12:02:40", 100, device="Dexcom G7 DXCM3Y"),
            entry(11, "without arrow", "12:03:00", 150, device="Dexcom G7 DXCM9Z", direction=None),
        ],
        {"old sensor": DUPLICATE, "new sensor": READING, "without arrow": DUPLICATE},
        quality={"kept_count": 1, "duplicate_count": 2, "device_count": 3},
    ),
    "the same reading from two uploaders, in one slot": Case(
        12,
        [
            entry(12, "share", "12:00:10", 120, device="share2"),
            entry(12, "app", "12:01:10", 120, device="com.dexcom.g7app"),
        ],
        {"share": DUPLICATE, "app": READING},
        quality={"kept_count": 1, "duplicate_count": 1, "device_count": 2},
    ),
    "dates before 2000 and in a future that no filter asks for": Case(
        13,
        [
            entry(13, "ancient", "12:00", 120, date=None, dateString="1970-01-02T00:00:00.000Z"),
            entry(13, "future", "12:00", 120, date=None, dateString="2161-06-01T00:00:00.000Z"),
        ],
        {
            "ancient": "quarantined: dated 1970-01-02, before 2000",
            "future": "quarantined: dated 2161-06-01, more than 24 h after it was fetched",
        },
    ),
    "no _id": Case(
        14,
        [entry(14, "", "12:00", 120)],
        {"": "quarantined: no usable _id: ''"},
        quality={"received_count": 1, "quarantined_count": 1},
    ),
    "marked as no longer valid": Case(
        15,
        [entry(15, "withdrawn", "12:00", 120, isValid=False)],
        {"withdrawn": RETIRED},
        quality={"received_count": 1, "kept_count": 0, "deleted_count": 1},
    ),
    "arrows that say nothing": Case(
        16,
        [
            entry(16, "no arrow", "12:00", 120, direction="NOT COMPUTABLE"),
            entry(16, "wild arrow", "12:05", 120, direction="TripleUp"),
        ],
        {"no arrow": READING, "wild arrow": READING},
        facts={"wild arrow": {"direction": "TripleUp"}},
    ),
}

TREATMENTS = {
    "glucose in mmol/L, in mg/dL, and without a unit": Case(
        17,
        [
            treatment(17, "mmol", "12:00", "BG Check", glucose="5.6", units="mmol", glucoseType="Finger"),
            treatment(17, "mg", "12:05", "BG Check", glucose=101, units="mg/dl"),
            treatment(17, "unit unknown", "12:10", "BG Check", glucose=101),
        ],
        {"mmol": TREATMENT, "mg": TREATMENT, "unit unknown": TREATMENT},
        facts={
            "mmol": {"glucose_mg_dl": 5.6 * 18.01559},
            "mg": {"glucose_mg_dl": 101},
            "unit unknown": {"glucose_mg_dl": None},
        },
        daily={"bolus_units": 0, "carbs_grams": 0, "is_basal_complete": False},
    ),
    "a bolus before the meal, whose carbs the server keeps as a second document": Case(
        18,
        [
            treatment(18, "pre bolus", "12:00", "Meal Bolus", insulin=4.5, preBolus=20, utcOffset=0),
            treatment(18, "its carbs", "12:20", "Meal Bolus", carbs=60),
            *(
                entry(18, f"at {clock}", clock, sgv)
                for clock, sgv in (("12:10", 100), ("12:20", 110), ("13:20", 190), ("15:15", 130))
            ),
        ],
        {
            "pre bolus": TREATMENT,
            "its carbs": TREATMENT,
            **{f"at {clock}": READING for clock in ("12:10", "12:20", "13:20", "15:15")},
        },
        daily={"bolus_units": 4.5, "bolus_manual_units": 4.5, "carbs_grams": 60, "meal_count": 1},
        meals={
            "its carbs": {
                "insulin_units": 4.5,
                "glucose_before_mg_dl": 105,
                "glucose_60m_mg_dl": 190,
                "glucose_120m_mg_dl": None,
                "glucose_180m_mg_dl": 130,
                "rise_mg_dl": 85,
                "minutes_to_peak": 60,
                "is_clean": True,
            }
        },
        medications={
            "pre bolus": {"glucose_before_mg_dl": None, "nadir_mg_dl": 100, "is_clean": False},
        },
    ),
    "Loop posts again with another _id when no answer came": Case(
        19,
        [
            treatment(
                19, document_id, "12:00", "Correction Bolus", insulin=1.2, enteredBy=LOOP, automatic=False
            )
            for document_id in ("retry a", "retry b")
        ],
        {"retry a": TREATMENT, "retry b": DUPLICATE},
        facts={"retry a": {"duplicate_count": 1}},
        daily={"bolus_units": 1.2, "bolus_count": 1, "bolus_correction_units": 1.2},
    ),
    "AAPS: temporary basals in units, in percent with the rate, in percent alone, and off": Case(
        20,
        [
            temp_basal(20, "units", "12:00", absolute=1.5, rate=1.5, duration=60, enteredBy=AAPS),
            temp_basal(20, "percent, rate", "12:30", percent=-50, rate=0.4, duration=30, enteredBy=AAPS),
            temp_basal(20, "percent", "13:00", percent=50, duration=30, enteredBy=AAPS),
            temp_basal(20, "off", "13:30", percent=-100, duration=30, enteredBy=AAPS),
        ],
        dict.fromkeys(("units", "percent, rate", "percent", "off"), TREATMENT),
        facts={
            "units": {"basal_minutes": 30, "basal_units": 0.75},
            "percent, rate": {"basal_minutes": 30, "basal_units": 0.2, "basal_change_pct": -50},
            "percent": {"basal_minutes": 30, "basal_units": None},
        },
        daily={"basal_temp_units": 0.95, "is_basal_complete": False, "bolus_units": 0},
    ),
    "durations in minutes, in milliseconds, in both, and in the wrong field": Case(
        21,
        [
            temp_basal(21, "minutes", "12:00", rate=1, duration=4.98, enteredBy=LOOP),
            temp_basal(21, "both", "13:00", rate=1, duration=4, durationInMilliseconds=298800),
            temp_basal(21, "milliseconds", "14:00", rate=1, durationInMilliseconds=1_800_000),
            temp_basal(21, "wrong field", "15:00", rate=1, duration=1_800_000),
            temp_basal(21, "ends it", "15:30", duration=0),
            temp_basal(21, "below zero", "16:00", rate=1, duration=-5),
        ],
        dict.fromkeys(("minutes", "both", "milliseconds", "wrong field", "ends it", "below zero"), TREATMENT),
        facts={
            "minutes": {"basal_minutes": 4.98},
            "both": {"basal_minutes": 4.98},
            "milliseconds": {"basal_minutes": 30},
            "wrong field": {"basal_minutes": 30},
            "below zero": {"basal_minutes": 0},
        },
        daily={"basal_temp_units": (4.98 + 4.98 + 30 + 30) / 60},
    ),
    "combo boluses of Nightscout's page and of AAPS": Case(
        22,
        [
            treatment(
                22,
                "page",
                "12:00",
                "Combo Bolus",
                insulin=3,
                enteredinsulin="10",
                splitNow="30",
                splitExt="70",
                relative=3.5,
                duration=120,
            ),
            treatment(
                22,
                "extended only",
                "18:00",
                "Combo Bolus",
                enteredinsulin=2.4,
                splitNow=0,
                splitExt=100,
                relative=1.2,
                duration=120,
                enteredBy=AAPS,
            ),
        ],
        {"page": TREATMENT, "extended only": TREATMENT},
        daily={"bolus_units": 12.4, "bolus_count": 2, "bolus_manual_units": 12.4, "basal_units": 0},
        medications={"page": {"dose_units": 10}, "extended only": {"dose_units": 2.4}},
    ),
    "boluses that a closed loop gives by itself, the filling of a tube, and the fat of a meal": Case(
        23,
        [
            treatment(23, "trio", "12:00", "SMB", insulin=0.4, enteredBy=TRIO),
            treatment(23, "aaps", "12:05", "Correction Bolus", insulin=0.3, isSMB=True, type="SMB"),
            treatment(23, "loop", "12:10", "Correction Bolus", insulin=0.05, automatic=True, enteredBy=LOOP),
            treatment(23, "by hand", "12:15", "Bolus", insulin=1.5, enteredBy=TRIO),
            treatment(23, "aaps 3", "12:20", "Correction Bolus", insulin=0.3, type="SMB", enteredBy=AAPS),
            treatment(23, "filled", "12:25", "Meal Bolus", insulin=12, type="PRIMING", enteredBy=AAPS),
            treatment(23, "meal", "12:30", "Carb Correction", carbs=20, fat=15, foodType="", enteredBy=TRIO),
            treatment(23, "fat", "13:30", "Carb Correction", carbs=2.8, fat=0, protein=0, enteredBy=TRIO),
            treatment(23, "eaten", "13:40:07", "Carb Correction", carbs=9, fat=0, protein=0, enteredBy=TRIO),
        ],
        dict.fromkeys(
            ("trio", "aaps", "loop", "by hand", "aaps 3", "filled", "meal", "fat", "eaten"), TREATMENT
        ),
        facts={
            "aaps": {"bolus_kind": "automatic"},
            "aaps 3": {"bolus_kind": "automatic"},
            "by hand": {"bolus_kind": "manual"},
            "filled": {"bolus_units": None},
        },
        daily={
            "bolus_units": 2.55,
            "bolus_automatic_units": 1.05,
            "bolus_manual_units": 1.5,
            "carbs_grams": 29,
            "meal_count": 2,
            "carb_equivalent_grams": 2.8,
        },
    ),
    "a profile of Loop in mmol/L with a zone of its own, and an hour of AAPS at 150 percent": Case(
        24,
        [
            {
                "_id": "profile",
                "defaultProfile": "Default",
                "startDate": instant(24, "00:00"),
                "units": "mmol/L",
                "enteredBy": "Loop",
                "store": {
                    "Default": {
                        "timezone": "ETC/GMT+8",
                        "units": "mmol/L",
                        "target_low": [{"time": "00:00", "timeAsSeconds": 0, "value": 5.5}],
                        "basal": [
                            {"time": "00:00", "timeAsSeconds": 0, "value": 0.5},
                            {"time": "12:00", "timeAsSeconds": 43200, "value": "1.0"},
                        ],
                    }
                },
            },
            treatment(
                24,
                "switch",
                "12:00",
                "Profile Switch",
                profile="Day (150%)",
                profileJson='{"basal": [{"time": "00:00", "timeAsSeconds": 0, "value": 0.8}]}',
                percentage=150,
                duration=60,
                durationInMilliseconds=3_600_000,
                enteredBy=AAPS,
            ),
        ],
        {"profile": PROFILE, "switch": TREATMENT},
        daily={
            "bolus_units": 0,
            "basal_temp_units": 0,
            "basal_scheduled_units": 12 * 0.5 + 1.2 + 11 * 1.0,
            "is_basal_complete": True,
        },
    ),
    "treatments of the future, of long ago, of no time, and with a time of their own": Case(
        25,
        [
            treatment(25, "later", "12:00", "Note")
            | {"created_at": None, "timestamp": "2161-06-01T00:00:00Z"},
            treatment(25, "earlier", "12:00", "Note") | {"created_at": None, "date": 86_400_000},
            treatment(25, "never", "12:00", "Note") | {"created_at": None},
            treatment(25, "timestamp", "12:00", "Note")
            | {"created_at": None, "timestamp": instant(25, "13:00")},
        ],
        {
            "later": "quarantined: dated 2161-06-01, more than 24 h after it was fetched",
            "earlier": "quarantined: dated 1970-01-02, before 2000",
            "never": "quarantined: no usable date: created_at=None",
            "timestamp": TREATMENT,
        },
    ),
    "numbers in quotes, empty ones, words, and below zero": Case(
        26,
        [
            treatment(26, "quotes", "12:00", "Meal Bolus", insulin="2.5", carbs="30"),
            treatment(26, "empty", "13:00", "Bolus", insulin="", carbs=""),
            treatment(26, "words", "14:00", "Bolus", insulin="two", carbs="some"),
            treatment(26, "minus", "15:00", "Bolus", insulin=-1, carbs=-10),
        ],
        dict.fromkeys(("quotes", "empty", "words", "minus"), TREATMENT),
        facts={"words": {"insulin_units": None}, "minus": {"insulin_units": -1, "bolus_units": None}},
        daily={"bolus_units": 2.5, "bolus_count": 1, "carbs_grams": 30, "meal_count": 1},
    ),
    "carbs and insulin that one meal leaves as two documents: xDrip4iOS": Case(
        27,
        [
            treatment(27, "carbs", "12:00", "Carbs", carbs=91, enteredBy="xDrip4iOS"),
            treatment(27, "insulin", "12:00:01", "Bolus", insulin=20, enteredBy="xDrip4iOS"),
        ],
        {"carbs": TREATMENT, "insulin": TREATMENT},
        meals={"carbs": {"carbs_grams": 91, "insulin_units": 20, "is_clean": True}},
        medications={"insulin": {"is_clean": False, "glucose_before_mg_dl": None}},
    ),
    "a temporary basal into the next day, where the pump stands still for a while": Case(
        28,
        [
            temp_basal(28, "night", "23:00", absolute=1, rate=1, duration=180, enteredBy=LOOP),
            treatment(29, "suspended", "01:00", "Suspend Pump"),
            treatment(29, "resumed", "01:45", "Resume Pump"),
        ],
        {"night": TREATMENT, "suspended": TREATMENT, "resumed": TREATMENT},
        facts={"night": {"basal_minutes": 120, "basal_units": 2}, "suspended": {"basal_minutes": 45}},
        daily={"basal_temp_units": 1, "basal_scheduled_units": 12 * 0.5 + 11.0},
    ),
    "the day after it": Case(
        29,
        [],
        {},
        daily={
            "basal_temp_units": 1,
            "basal_scheduled_units": 10.25 * 0.5 + 12.0,
            "basal_units": 1 + 10.25 * 0.5 + 12.0,
            "is_basal_complete": True,
        },
    ),
    "a percentage alone, where the schedule is known": Case(
        30,
        [temp_basal(30, "more", "13:00", percent=50, duration=30, enteredBy=AAPS)],
        {"more": TREATMENT},
        facts={"more": {"basal_units": None, "basal_change_pct": 50}},
        daily={"basal_temp_units": 0.75, "basal_scheduled_units": 12 * 0.5 + 11.5, "is_basal_complete": True},
    ),
}

CASES = ENTRIES | TREATMENTS
