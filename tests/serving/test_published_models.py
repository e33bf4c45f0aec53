"""Published models, read from a manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from include.errors import PublishError
from include.serving.published_models import PublishedModel, published_models


def node(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "resource_type": "model",
        "name": name,
        "alias": name,
        "schema": "marts",
        "tags": ["published"],
        "description": "",
        "columns": {},
        "config": {"meta": {"primary_key": ["site_id"]}},
    } | changes


def manifest(tmp_path: Path, *nodes: dict[str, Any]) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text(
        json.dumps({"nodes": {f"model.glucose.{number}": node for number, node in enumerate(nodes)}})
    )
    return path


def test_what_is_tagged_is_found_with_what_describes_it(tmp_path: Path) -> None:
    overview = node(
        "mrt_glucose_overview",
        description="One row per site and local day.\n",
        columns={
            "site_id": {"name": "site_id", "description": "The site."},
            "mean": {"name": "mean", "description": " mg/dL "},
        },
        config={"meta": {"primary_key": ["site_id", "reading_date"], "indexes": [["reading_date"], "mean"]}},
    )
    others = [
        node("fct_glucose_readings", tags=["silver"]),
        node("unique_key", resource_type="test", config={}),
        node("dim_sites_v2", alias="dim_sites", schema="gold"),
    ]
    assert published_models(manifest(tmp_path, overview, *others)) == [
        PublishedModel("dim_sites", "gold", {}, ("site_id",), (), ""),
        PublishedModel(
            "mrt_glucose_overview",
            "marts",
            {"site_id": "The site.", "mean": "mg/dL"},
            ("site_id", "reading_date"),
            (("reading_date",), ("mean",)),
            "One row per site and local day.",
        ),
    ]


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([], "no model tagged published"),
        ([node("a", tags=["marts"])], "no model tagged published"),
        ([node("a", config={"meta": {}})], "a has no key: write meta.primary_key"),
        ([node("a", config={})], "a has no key"),
        ([node("a"), node("b", alias="a", schema="gold")], "two published models are called a"),
        ([node("a; drop schema marts")], "cannot be a name"),
        ([node("A")], "cannot be a name"),
        ([node("a" * 64)], "cannot be a name"),
        ([node("a", schema='m"')], "cannot be a name"),
        ([node("a", columns={"b c": {"name": "b c", "description": ""}})], "'b c' cannot be a name"),
        ([node("a", config={"meta": {"primary_key": ["b)"]}})], "cannot be a name"),
    ],
)
def test_what_cannot_be_published_is_refused(tmp_path: Path, nodes: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(PublishError, match=says):
        published_models(manifest(tmp_path, *nodes))


def test_a_manifest_that_is_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="dbt parse"):
        published_models(tmp_path / "missing.json")
    (tmp_path / "half.json").write_text('{"nodes": {')
    with pytest.raises(PublishError, match="dbt parse"):
        published_models(tmp_path / "half.json")
