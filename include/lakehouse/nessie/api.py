"""Nessie's HTTP API, version 2: references, commits and what lies at them. Nothing here knows this lake.

A *reference* is a branch or a tag; a *hash* names one commit, and with it a state of all tables. `@HASH`
stands wherever a reference may be read. Every change is a compare-and-swap on the hash that its caller saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote, urlsplit

import requests

from include.errors import ServiceError
from include.lakehouse.nessie.loopback import LOOPBACK

BRANCH = "BRANCH"
TAG = "TAG"
TABLE = "ICEBERG_TABLE"
NAMESPACE = "NAMESPACE"

ANSWER_SECONDS = 30.0
PAGE = 200

Json = dict[str, Any]


class ChangedError(ServiceError):
    """Somebody else changed a reference after its caller saw it: look again, which is what a new try does."""

    @property
    def said(self) -> str:
        """Nessie's own words."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"somebody else changed branches or tags of Nessie just now ({self.said}): try again"


class MovedError(ChangedError):
    """The reference is not where its caller saw it, or exists already."""


class GoneError(ChangedError):
    """There is no such reference or hash."""


@dataclass(frozen=True)
class Commit:
    """One commit, with the properties that its author gave it."""

    hash: str
    parent: str | None
    message: str
    committed_at: datetime
    properties: Mapping[str, str]

    @classmethod
    def of(cls, meta: Json) -> Self:
        """From `commitMeta`."""
        parents = meta.get("parentCommitHashes") or [None]
        properties = {name: values[0] for name, values in (meta.get("allProperties") or {}).items() if values}
        committed_at = datetime.fromisoformat(meta["commitTime"])
        return cls(meta["hash"], parents[0], meta["message"], committed_at, properties)


@dataclass(frozen=True)
class Ref:
    """A branch or tag; `commit` is the one it names, None before the first one of all."""

    kind: str
    name: str
    hash: str
    commit: Commit | None

    @classmethod
    def of(cls, reference: Json) -> Self:
        """From `reference`."""
        meta = (reference.get("metadata") or {}).get("commitMetaOfHEAD")
        return cls(reference["type"], reference["name"], reference["hash"], Commit.of(meta) if meta else None)

    @property
    def properties(self) -> Mapping[str, str]:
        """Those of its commit."""
        return self.commit.properties if self.commit else {}


class Nessie:
    """One server. Whatever is asked of it raises ServiceError when it does not answer or fails.

    Methods that take a hash raise MovedError when the reference is elsewhere by now, GoneError when there is
    none; whoever does not know better may let both pass, which are ServiceErrors.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._trusts_environment = urlsplit(uri).hostname not in LOOPBACK  # loopback needs no proxy

    def reference(self, name: str) -> Ref | None:
        """A branch or tag by its name."""
        try:
            return Ref.of(self._send("GET", f"trees/{_path(name)}", {"fetch": "ALL"})["reference"])
        except GoneError:
            return None

    def references(self) -> list[Ref]:
        """All branches and tags."""
        return [Ref.of(found) for found in self._pages("trees", "references", {"fetch": "ALL"})]

    def log(self, ref: str) -> Iterator[Commit]:
        """The commits from this one back to the first."""
        entries = self._pages(f"trees/{_path(ref)}/history", "logEntries", {})
        return (Commit.of(entry["commitMeta"]) for entry in entries)

    def content(self, ref: str, *key: str) -> tuple[Json | None, str | None]:
        """What lies at a key, with the hash at which it was read; None where there is none."""
        try:
            answer = self._send("GET", f"trees/{_path(ref)}/contents/{_path('.'.join(key))}", {})
        except GoneError:
            return None, None
        return answer["content"], answer["effectiveReference"]["hash"]

    def contents(self, ref: str) -> dict[tuple[str, ...], Json]:
        """Everything that lies at a reference, by key. Raises GoneError."""
        entries = self._pages(f"trees/{_path(ref)}/entries", "entries", {"content": "true"})
        return {tuple(entry["name"]["elements"]): entry["content"] for entry in entries}

    def create(self, kind: str, name: str, at: str) -> None:
        """A new branch or tag; nothing to do when it is there. Raises MovedError when it is elsewhere."""
        try:
            self._send("POST", "trees", {"name": name, "type": kind}, _detached(at))
        except MovedError:
            found = self.reference(name)
            if found is None or (found.kind, found.hash) != (kind, at):
                raise

    def assign(self, name: str, seen: str, to: str) -> None:
        """Move a branch."""
        if seen != to:
            self._send("PUT", f"trees/{_path(name)}@{seen}", {"type": BRANCH}, _detached(to))

    def delete(self, ref: Ref) -> None:
        """Remove a branch or tag; nothing to do when it is gone."""
        try:
            self._send("DELETE", f"trees/{_path(ref.name)}@{ref.hash}", {"type": ref.kind})
        except GoneError:
            return

    def commit(
        self, name: str, seen: str, message: str, operations: Sequence[Json], properties: Mapping[str, str]
    ) -> str:
        """Put and delete keys of a branch at once; gives the new hash."""
        body = {"commitMeta": {"message": message, "properties": properties}, "operations": operations}
        answer = self._send("POST", f"trees/{_path(name)}@{seen}/history/commit", {}, body)
        return str(answer["targetBranch"]["hash"])

    def squash(
        self, into: str, seen: str, source: str, upto: str, message: str, properties: Mapping[str, str]
    ) -> str:
        """All that `source` changed up to the hash `upto` as one commit on the branch `into`; its hash."""
        body = {
            "fromRefName": source,
            "fromHash": upto,
            "commitMeta": {"message": message, "properties": properties},
            "defaultKeyMergeMode": "NORMAL",
        }
        answer = self._send("POST", f"trees/{_path(into)}@{seen}/history/merge", {}, body)
        return str(answer["resultantTargetHash"])

    def unusable(self, said: object) -> ServiceError:
        """What is said when the server is of no use."""
        return ServiceError(f"Nessie on {self.uri} is not usable ({said}): see that it runs, then try again")

    def _pages(self, path: str, items: str, query: Mapping[str, str]) -> Iterator[Json]:
        token: str | None = ""
        while token is not None:
            more = {"page-token": token} if token else {}
            answer = self._send("GET", path, {**query, "max-records": str(PAGE), **more})
            yield from answer[items]
            token = answer["token"] if answer["hasMore"] else None

    def _send(self, method: str, path: str, query: Mapping[str, str], body: Json | None = None) -> Json:
        url = f"{self.uri}/api/v2/{path}"
        with requests.Session() as session:  # one a call: connections do not survive a fork
            session.trust_env = self._trusts_environment
            try:
                answer = session.request(method, url, params=query, json=body, timeout=ANSWER_SECONDS)
            except requests.RequestException as error:
                raise self.unusable(_reason(error)) from None
        try:
            found: Json = answer.json() if answer.content else {}
        except ValueError:
            raise self.unusable(f"it answered {answer.status_code} and no JSON: is this Nessie?") from None
        if answer.status_code == requests.codes.conflict:
            raise MovedError(found.get("message"))
        if answer.status_code == requests.codes.not_found:
            raise GoneError(found.get("message"))
        if not answer.ok:
            raise self.unusable(f"it answered {answer.status_code}: {found.get('message')}")
        return found


def table_locations(contents: Mapping[tuple[str, ...], Json]) -> dict[str, str]:
    """Metadata file of every Iceberg table, by `namespace.table`."""
    return {
        ".".join(key): content["metadataLocation"]
        for key, content in contents.items()
        if content["type"] == TABLE
    }


def _detached(at: str) -> Json:
    return {"type": "DETACHED", "hash": at}


def _path(text: str) -> str:
    return quote(text, safe="@")


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"it did not answer within {ANSWER_SECONDS:.0f} s"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__
