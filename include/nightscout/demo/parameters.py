"""The parameters of an API v1 call, as they stand in its address."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from include.nightscout.demo.condition import QueryError

DESCENDING = {"1": False, "asc": False, "ascending": False, "-1": True, "desc": True, "descending": True}

KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
WHOLE_NUMBER = re.compile(r"\s*[+-]?\d+")


@dataclass(frozen=True)
class Parameters:
    """The parameters of a call, nested as their brackets say, all text."""

    find: dict[str, Any] = field(default_factory=dict)
    sort: dict[str, str] = field(default_factory=dict)
    count: str = ""


def parse_parameters(text: str) -> Parameters:
    """Reads `find[date][$gte]=1&find[_id][$in][]=x&count=5`; what else there is, is ignored."""
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found = KEY.fullmatch(key)
        if found:
            _plant(tree, [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])], value)
    find, sort, count = tree.get("find"), tree.get("sort"), tree.get("count")
    return Parameters(
        find=find if isinstance(find, dict) else {},
        sort=sort if isinstance(sort, dict) else {},
        count=count if isinstance(count, str) else "",
    )


def _plant(tree: dict[str, Any], names: list[str], value: str) -> None:
    """Puts a value below its names; `[]` and `[0]` at the end collect a list."""
    *branches, leaf = names
    if branches and (leaf == "" or leaf.isdigit()):
        *branches, owner = branches
        node = _branch(tree, branches)
        values = node.get(owner)
        node[owner] = [*values, value] if isinstance(values, list) else [value]
    else:
        _branch(tree, branches)[leaf] = value


def _branch(tree: dict[str, Any], names: list[str]) -> dict[str, Any]:
    for name in names:
        below = tree.get(name)
        if not isinstance(below, dict):
            below = tree[name] = {}
        tree = below
    return tree


def limit_of(count: str) -> int | None:
    """How many documents a count allows: none means all, a negative one counts like a positive one."""
    found = WHOLE_NUMBER.match(count)
    if not found:
        raise QueryError(f"count {count} is no number")
    return abs(int(found[0])) or None


def sort_order(sort: dict[str, str]) -> list[tuple[str, bool]]:
    """(field, is descending) of a sort parameter. Raises QueryError for a direction that is none."""
    if not set(sort.values()) <= DESCENDING.keys():
        raise QueryError("a sort direction that is none")
    return [(name, DESCENDING[direction]) for name, direction in sort.items()]
