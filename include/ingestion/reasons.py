"""Why a document is in quarantine, in words, with what was there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from include.errors import ContractError
from include.ingestion.documents import INSTANT_FIELDS, ReadDocument, read_document
from include.ingestion.values import Document, microseconds

_LONGEST_SHOWN = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def reasons_in_words(collection: str, text: str, rules: list[str]) -> str:
    """The broken rules of one document, sorted and joined by '; '.

    Raises ContractError for a rule without words: a schema gained one and this module did not.
    """
    read = read_document(text)
    unknown = sorted(set(rules) - set(_WORDS))
    if unknown:
        raise ContractError(f"no words for the rules {', '.join(unknown)}: add them to the reasons")
    return "; ".join(sorted(_WORDS[rule](collection, read) for rule in rules))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _instants(collection: str, document: Document) -> str:
    named = [name for name in INSTANT_FIELDS[collection] if name in document]
    return ", ".join(f"{name}={_shown(document[name])}" for name in named) or "the document has none"


def _day(collection: str, document: Document) -> str:
    for name in INSTANT_FIELDS[collection]:
        found = microseconds(document.get(name))
        if found is not None:
            return (_EPOCH + timedelta(microseconds=found)).date().isoformat()
    raise ContractError("a rule about an instant was broken by a document that has none")


def _document_unusable(_: str, read: ReadDocument) -> str:
    return read.problem or "the document cannot be used"


def _no_usable_id(_: str, read: ReadDocument) -> str:
    return f"no usable _id: {_shown(read.document['_id'])}" if "_id" in read.document else "no _id"


def _no_usable_date(collection: str, read: ReadDocument) -> str:
    return f"no usable date: {_instants(collection, read.document)}"


def _before(year: int) -> Callable[[str, ReadDocument], str]:
    return lambda collection, read: f"dated {_day(collection, read.document)}, before {year}"


def _in_the_future(collection: str, read: ReadDocument) -> str:
    return f"dated {_day(collection, read.document)}, more than 24 h after it was fetched"


def _sgv_not_a_number(_: str, read: ReadDocument) -> str:
    return f"sgv is not a number: {_shown(read.document['sgv'])}" if "sgv" in read.document else "no sgv"


_WORDS: dict[str, Callable[[str, ReadDocument], str]] = {
    "document_unusable": _document_unusable,
    "no_usable_id": _no_usable_id,
    "no_usable_date": _no_usable_date,
    "before_2000": _before(2000),
    "before_1970": _before(1970),
    "in_the_future": _in_the_future,
    "sgv_not_a_number": _sgv_not_a_number,
}
