"""What a device status says of loop, pump and telephone: of Loop, of OpenAPS, Trio and AAPS, of uploaders."""

from collections.abc import Callable
from typing import Any

from include.ingestion.values import Document, number

FAILED, ENACTED, LOOPING = "failed", "enacted", "looping"

# The first that is there counts.
AMOUNTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "iob_units": (("loop", "iob", "iob"), ("openaps", "iob", "iob"), ("pump", "iob", "iob")),
    "cob_grams": (("loop", "cob", "cob"), ("openaps", "suggested", "COB"), ("openaps", "enacted", "COB")),
    "pump_battery_pct": (("pump", "battery", "percent"),),
    "uploader_battery_pct": (("uploader", "battery"), ("uploaderBattery",)),
    "reservoir_units": (("pump", "reservoir"),),
}


def value_at(document: Document, *path: str) -> Any:
    """The value below these names; None where one of them is not there."""
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def amount(name: str) -> Callable[[Document], float | None]:
    """Reads one of AMOUNTS; None where the document has none, or no number."""
    return lambda document: number(_sent(document, name))


def loop_state(document: Document) -> str | None:
    """As Nightscout shows the loop: failed, enacted, or looping; None of a document that is of no loop."""
    loop, openaps = document.get("loop"), document.get("openaps")
    if not isinstance(loop, dict) and not isinstance(openaps, dict):
        return None
    if value_at(document, "loop", "failureReason"):
        return FAILED
    enacted = value_at(document, "loop", "enacted") or value_at(document, "openaps", "enacted")
    if not isinstance(enacted, dict):
        return LOOPING
    if False in (enacted.get("received"), enacted.get("recieved")):  # OpenAPS misspelled it for years
        return LOOPING
    return ENACTED


def unreadable_amounts(document: Document) -> str | None:
    """Names of amounts that are there and no number."""
    found = [
        name
        for name in AMOUNTS
        if (value := _sent(document, name)) not in (None, "") and number(value) is None
    ]
    return ", ".join(found) or None


def _sent(document: Document, name: str) -> Any:
    found = (value_at(document, *path) for path in AMOUNTS[name])
    return next((value for value in found if value is not None), None)
