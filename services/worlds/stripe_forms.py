"""What does a request of Stripe's wire ask for? Forms with brackets, read one field at a time.

Source: https://docs.stripe.com/api, of the version that `stripe_objects` names.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from services.worlds.asgi import Request
from services.worlds.models import Refused

LIST_LIMIT, LIST_LIMIT_MAX = 10, 100
ModelT = TypeVar("ModelT", bound=BaseModel)
_SEARCHED = re.compile(r"""metadata\[["']payment["']\]:["']((?:[^"'\\]|\\.)*)["']""")


def wrong(param: str, detail: str, code: str = "parameter_invalid") -> Refused:
    return Refused(400, code, f"{param}: {detail}", param)


class Form:
    """The fields of a body, or of a query; those that are not `allowed` are refused."""

    def __init__(self, text: str, *allowed: str) -> None:
        self._fields = dict(parse_qsl(text, keep_blank_values=True))
        self.expand = tuple(value for name, value in self._fields.items() if name.startswith("expand["))
        for name in self._fields:
            if name.partition("[")[0] not in (*allowed, "expand"):
                raise wrong(name, "there is no such parameter", "parameter_unknown")

    def text(self, name: str, default: str | None = None) -> str:
        value = self._fields.get(name, default)
        if value is None:
            raise wrong(name, "it is missing", "parameter_missing")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        value = self._fields.get(name)
        if value is None and default is not None:
            return default
        if not re.fullmatch(r"[0-9]{1,16}", self.text(name)):
            raise wrong(name, "it must be a whole number", "parameter_invalid_integer")
        return int(self.text(name))

    def is_true(self, name: str, default: bool) -> bool:
        value = self.text(name, "true" if default else "false")
        if value not in ("true", "false"):
            raise wrong(name, "it must be true or false")
        return value == "true"

    def group(self, name: str) -> dict[str, str]:
        """`name[x]=y` as x: y."""
        start = f"{name}["
        return {
            key.removeprefix(start).removesuffix("]"): value
            for key, value in self._fields.items()
            if key.startswith(start)
        }

    def has(self, name: str) -> bool:
        return name in self._fields


def body_of(request: Request, *allowed: str) -> Form:
    try:
        return Form(request.body.decode(), *allowed)
    except UnicodeDecodeError as error:
        raise wrong("body", "it is no UTF-8") from error


def query_of(request: Request, *allowed: str) -> Form:
    return Form(request.query_string, *allowed)


def made(kind: type[ModelT], **fields: Any) -> ModelT:
    """What is asked for, or a refusal that names the field."""
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise wrong(".".join(str(part) for part in first["loc"]), first["msg"]) from error


def searched(form: Form) -> str:
    """The payment whose name is searched for in the metadata: nothing else is, here."""
    found = _SEARCHED.fullmatch(form.text("query"))
    if not found:
        raise wrong("query", "only metadata['payment']:'…' is searched for here")
    return re.sub(r"\\(.)", r"\1", found[1])


def page(form: Form, things: Iterable[Any], id_of: Callable[[Any], str]) -> tuple[list[Any], bool]:
    """Of things, the newest first, so many after one of them; and whether there are more."""
    limit = form.whole("limit", LIST_LIMIT)
    if not 1 <= limit <= LIST_LIMIT_MAX:
        raise wrong("limit", f"it must be between 1 and {LIST_LIMIT_MAX}", "parameter_invalid_integer")
    after, started = form.text("starting_after", ""), False
    found: list[Any] = []
    for each in things:
        if started or not after:
            found.append(each)
        started = started or id_of(each) == after
        if len(found) > limit:
            break
    if after and not started:
        raise Refused(404, "resource_missing", f"starting_after: there is no {after}", "starting_after")
    return found[:limit], len(found) > limit
