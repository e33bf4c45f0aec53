"""What of a document is kept, before it is written or named anywhere.

A device status is mostly predictions, a megabyte a day: of it only what is asked for later is kept. Of a
profile all is kept but where to push a message, or whom to reach.

Profiles of Loop and Trio carry the address of a person's phone at Apple's push service; whoever has it, and
the app's key, can send that phone commands.
"""

import re
from collections.abc import Mapping
from typing import Any

from include.nightscout.bodies import Document, document_of
from include.nightscout.windows import Collection

NEVER_KEPT = re.compile(r"token|apns|secret|password|mail|phone|^bundleidentifier$|^teamid$", re.IGNORECASE)
MAIL_ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+")
MASK = "(address)"
NAMED_BY_PEOPLE = "store"  # its fields are names of profiles, whatever they are called


Parts = Mapping[str, "Parts"]
_PLAIN: Parts = {}
DEVICE_STATUS_PARTS: Parts = {
    **dict.fromkeys(("_id", "created_at", "date", "mills", "device", "isValid", "uploaderBattery"), _PLAIN),
    "loop": {
        "iob": {"iob": _PLAIN},
        "cob": {"cob": _PLAIN},
        "failureReason": _PLAIN,
        "timestamp": _PLAIN,
        "enacted": {"timestamp": _PLAIN, "received": _PLAIN},
    },
    "openaps": {
        "iob": {"iob": _PLAIN},
        "suggested": {"timestamp": _PLAIN, "COB": _PLAIN},
        "enacted": {"timestamp": _PLAIN, "COB": _PLAIN, "received": _PLAIN, "recieved": _PLAIN},
    },
    "pump": {
        "battery": {"percent": _PLAIN},
        "reservoir": _PLAIN,
        "iob": {"iob": _PLAIN},
    },
    "uploader": {"battery": _PLAIN},
}


def kept_part(collection: Collection, document: Document) -> Document:
    """What is kept of the document; entries and treatments are kept as they are."""
    if collection is Collection.DEVICE_STATUS:
        return document_of(_picked(document.content, DEVICE_STATUS_PARTS))
    if collection is not Collection.PROFILES:
        return document
    try:
        return document_of(_without_addresses(document.content))
    except RecursionError:  # what cannot be looked through is not kept; without a date it is quarantined
        return document_of({"_id": document.content.get("_id"), "notes": "nested too deep to be kept"})


def _picked(value: Any, parts: Parts) -> Any:
    """The named parts of an object, as sent; of a list of objects, those of the first."""
    if isinstance(value, list):  # some rigs of OpenAPS send lists of predictions, the present first
        value = value[0] if value else None
    if not isinstance(value, dict):
        return None
    return {
        name: _picked(value[name], inner) if inner else value[name]
        for name, inner in parts.items()
        if name in value and (inner or not isinstance(value[name], dict | list))
    }


def _without_addresses(value: Any, *, are_names: bool = False) -> Any:
    """A value without fields about pushing messages or reaching people; addresses in texts are masked."""
    if isinstance(value, dict):
        return {
            name: _without_addresses(inner, are_names=name == NAMED_BY_PEOPLE)
            for name, inner in value.items()
            if are_names or not NEVER_KEPT.search(name)
        }
    if isinstance(value, list):
        return [_without_addresses(inner) for inner in value]
    return MAIL_ADDRESS.sub(MASK, value) if isinstance(value, str) else value
