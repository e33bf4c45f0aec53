"""What one `dbt build` did, model by model, from the results that it left and dbt's manifest."""

import json
from pathlib import Path
from typing import Any

GOOD = frozenset({"success", "pass", "warn", "no-op"})  # `warn`: counted and shown, never stops anything

Result = dict[str, Any]


def read_results(results: Path, manifest: Path) -> dict[str, list[Result]]:
    """For every model its own result and those of its tests, unit tests included.

    A result has `node` (dbt's unique id), `name`, `status`, `message` (null when all is well), `seconds`. A
    test that looks at several models stands under each. Empty when dbt ended before it wrote its results.
    """
    if not results.exists():
        return {}
    known = json.loads(manifest.read_bytes())
    tested = {**known["nodes"], **known["unit_tests"]}
    models: dict[str, list[Result]] = {}
    for result in json.loads(results.read_bytes())["results"]:
        node = tested.get(result["unique_id"])
        if node is None:  # an exposure: nothing is built
            continue
        row = {
            "node": result["unique_id"],
            "name": node["name"],
            "status": result["status"],
            "message": result["message"] if result["status"] not in {"success", "pass"} else None,
            "seconds": round(result["execution_time"], 3),
        }
        for model in _models_of(node):
            models.setdefault(model, []).append(row)
    return models


def _models_of(node: dict[str, Any]) -> list[str]:
    if node["resource_type"] == "model":
        return [node["unique_id"]]
    if node.get("attached_node"):
        return [node["attached_node"]]
    return [parent for parent in node["depends_on"]["nodes"] if parent.startswith("model.")]
