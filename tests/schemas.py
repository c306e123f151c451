"""Values that a JSON schema allows: strategies for any pydantic model, without a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.strategies import moments

ITEMS_MAX, UNBOUNDED = 2, 100
_TEXTS = ("", "x", "A-1", "o1", "2026-03-01")


def values_of(  # noqa: C901 - an arm for each kind of schema
    schema: Mapping[str, Any],
    few: Mapping[str, SearchStrategy[Any]],
    definitions: Mapping[str, Any] | None = None,
) -> SearchStrategy[Any]:
    """JSON values, small ones; a field whose name is in `few` has one of those, wherever it stands.

    Formats and patterns but for times are not kept to: who reads the value may refuse it.
    """
    definitions = definitions or schema.get("$defs", {})

    def of(part: Mapping[str, Any]) -> SearchStrategy[Any]:
        return values_of(part, few, definitions)

    match schema:
        case {"$ref": reference}:
            return of(definitions[reference.rpartition("/")[2]])
        case {"const": value}:
            return st.just(value)
        case {"enum": choices}:
            return st.sampled_from(choices)
        case {"anyOf": forms} | {"oneOf": forms}:
            return st.one_of([of(form) for form in forms])
        case {"type": "object", "properties": fields}:
            needed = schema.get("required", ())
            parts = {name: few[name] if name in few else of(part) for name, part in fields.items()}
            optional = {name: part for name, part in parts.items() if name not in needed}
            return st.fixed_dictionaries({name: parts[name] for name in needed}, optional=optional)
        case {"type": "object"}:
            return st.dictionaries(
                st.sampled_from("ab"), of(schema.get("additionalProperties", {"const": 1})), max_size=1
            )
        case {"type": "array", "prefixItems": items}:
            return st.tuples(*map(of, items)).map(list)
        case {"type": "array"}:
            least = schema.get("minItems", 0)
            return st.lists(
                of(schema.get("items", {"const": 1})), min_size=least, max_size=max(least, ITEMS_MAX)
            )
        case {"type": "integer" | "number"}:
            least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
            return st.integers(least, min(schema.get("maximum", least + UNBOUNDED), least + UNBOUNDED))
        case {"type": "string", "format": "date-time"}:
            return moments.map(lambda moment: moment.isoformat())
        case {"type": "string"}:
            least = schema.get("minLength", 0)
            return st.sampled_from([each.ljust(least, "x") for each in _TEXTS])
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
    raise AssertionError(f"no strategy for {schema}")
