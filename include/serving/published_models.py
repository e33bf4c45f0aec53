"""The models that are published, as dbt's manifest names and describes them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.errors import PublishError

TAG = "published"
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")  # what Postgres takes unquoted and whole


@dataclass(frozen=True)
class PublishedModel:
    """A model of the lake (`schema.name` there) that readers find in Postgres under the same name.

    `columns` are the described ones, name to description. `key` becomes the primary key, each of `indexes` an
    index; both come from the model's `meta`: `primary_key: [a, b]`, `indexes: [[c], [d, e]]`.
    """

    name: str
    schema: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]
    description: str


def published_models(manifest_path: Path) -> list[PublishedModel]:
    """The models tagged `published`, by name.

    Raises PublishError when the manifest cannot be read, names none, or one without a primary key.
    """
    try:
        nodes = json.loads(manifest_path.read_bytes())["nodes"].values()
    except (OSError, ValueError, KeyError) as error:
        raise PublishError(
            f"dbt's manifest {manifest_path} cannot be read: make it again with dbt parse"
        ) from error
    tagged = [node for node in nodes if node["resource_type"] == "model" and TAG in node["tags"]]
    if not tagged:
        raise PublishError(
            f"dbt's manifest {manifest_path} has no model tagged {TAG}: nothing would be left to read"
        )
    models = sorted((_model(node) for node in tagged), key=lambda model: model.name)
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise PublishError(f"two published models are called {name}: give one of them another name")
    return models


def _model(node: Mapping[str, Any]) -> PublishedModel:
    meta = node["config"].get("meta", {})
    model = PublishedModel(
        name=node.get("alias") or node["name"],
        schema=node["schema"],
        columns={column["name"]: column["description"].strip() for column in node["columns"].values()},
        key=_names(meta.get("primary_key", [])),
        indexes=tuple(_names(index) for index in meta.get("indexes", [])),
        description=node["description"].strip(),
    )
    if not model.key:
        raise PublishError(f"published model {model.name} has no key: write meta.primary_key beside it")
    names = (
        model.name,
        model.schema,
        *model.columns,
        *model.key,
        *(name for index in model.indexes for name in index),
    )
    for name in names:
        if not NAME.fullmatch(name):
            raise PublishError(f"published model {model.name}: {name!r} cannot be a name in Postgres")
    return model


def _names(names: Sequence[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
