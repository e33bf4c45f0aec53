"""What the body of an answer holds: documents, or a word on what came instead.

That word quotes pages and error messages, never documents: they are health data and must not be logged.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

LONG_NUMBER = re.compile(rb"[0-9]{19}")  # may not fit into 64 bits; orjson would round it silently


class UnusableBodyError(Exception):
    """A body that is not what was asked for: what it is, and the text of a page or message in it.

    The text may hold a secret that the server repeats: mask it before it is shown.
    """

    def __init__(self, what: str, text: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.text = text


@dataclass(frozen=True)
class Document:
    """One document as received: its content and its JSON text; neither shows in a repr."""

    content: dict[str, Any] = field(repr=False)
    text: str = field(repr=False)


def documents_in(body: bytes) -> list[Document]:
    """The documents of a JSON array of objects. Raises UnusableBodyError for any other body.

    Texts are compact JSON. A document with a number beyond 64 bits, NaN, an infinity or half a surrogate
    pair keeps them (as JSON's dialect of Python writes them); it spoils none of the others.
    """
    listed, is_plain = _parsed(body)
    if not isinstance(listed, list) or not all(isinstance(content, dict) for content in listed):
        raise _unexpected(listed)
    text = _plain_text if is_plain else _any_text
    return [Document(content, text(content)) for content in listed]


def document_of(content: dict[str, Any]) -> Document:
    """A document of this content, its text written as `documents_in` writes texts."""
    return Document(content, _any_text(content))


def object_in(body: bytes) -> dict[str, Any]:
    """The one JSON object of a body. Raises UnusableBodyError for any other body."""
    content, _ = _parsed(body)
    if not isinstance(content, dict):
        raise _unexpected(content)
    return content


def _parsed(body: bytes) -> tuple[Any, bool]:
    """The content, and whether it is plain JSON that orjson neither refuses nor rounds."""
    if not LONG_NUMBER.search(body):
        try:
            return orjson.loads(body), True
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(body), False
    except (ValueError, RecursionError):
        raise _not_json(body) from None


def _plain_text(content: dict[str, Any]) -> str:
    return orjson.dumps(content).decode()


def _any_text(content: dict[str, Any]) -> str:
    """The text that `_plain_text` gives, unless that would lose something."""
    text = json.dumps(content, separators=(",", ":"))
    if LONG_NUMBER.search(text.encode()):
        return text
    try:
        return _plain_text(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text


def _unexpected(content: Any) -> UnusableBodyError:
    """The error for JSON of another shape."""
    if isinstance(content, list):
        kinds = sorted({type(item).__name__ for item in content})
        return UnusableBodyError(f"a JSON array of {len(content)} items of type {', '.join(kinds)}")
    if isinstance(content, dict):
        message = content.get("message")
        return UnusableBodyError("a JSON object", message if isinstance(message, str) else "")
    return UnusableBodyError(f"a single JSON value of type {type(content).__name__}")


def _not_json(body: bytes) -> UnusableBodyError:
    """The error for what is no JSON at all."""
    text = body.decode("utf-8", "replace").strip()
    if not text:
        return UnusableBodyError("an empty body")
    if text.startswith(("[", "{")):
        return UnusableBodyError(f"JSON that is cut off or damaged after {len(body)} bytes")
    if "\t" in text and not text.startswith("<"):
        return UnusableBodyError("tab-separated text")
    return UnusableBodyError("HTML" if text.startswith("<") else "text", text)
