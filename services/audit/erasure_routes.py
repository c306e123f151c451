"""What can be asked about erasing a person over HTTP? To do it, what that would mean, and who was erased.

A merchant erases its own customers. Whose pseudonym is not of an order of the merchant's is not known there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field, model_validator

from commands.fields import Body, Id, Text
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from commands.personal import subject_of
from domain.kernel import Refused
from queries.dependencies import Reader, shown_of
from queries.models import Answer, PageOf, documented, page_of
from services.audit.erasure import QUERIES, Erasures, Standing
from services.audit.erasure_list import Entry, ListNotWritten
from services.audit.keeping import Found, check, check_names, speaking_against
from services.web.access import Merchant, requires
from services.web.pagination import Page, as_int
from services.web.positions import POSITION_HEADER, Freshness
from services.web.problems import Problem, conflict, try_later

RETRY_SECONDS = 60.0
WAIT_SECONDS = 5.0
BOUND = 2**63 - 1
Name = Annotated[Text, Field(min_length=1)]
Subject = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_REMAINS = (
    "back-ups until their end, and dead rows and the write-ahead log until they are overwritten;"
    " and whoever was told: carriers, mail servers, receivers of exports and webhooks"
)


class ErasureBody(Body):
    """Whom, by either name, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer": "c-4711", "reason": "asked for by letter of 4 May", "dry_run": True}]
        }
    )

    customer: Id | None = Field(
        None, description="your id of the person: `customer_unique_id` of its orders, else `customer_id`"
    )
    subject: Subject | None = Field(None, description="the person's pseudonym, as history shows it")
    reason: Name = Field(description="stands in the log for ever, so it names no person")
    dry_run: bool = Field(False, description="only tell what would be erased, and what speaks against it")
    despite: Annotated[tuple[Name, ...], Field(max_length=10)] = Field(
        (), description="rules to overrule, by name: a dry run tells which speak against it"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> ErasureBody:
        if (self.customer is None) == (self.subject is None):
            raise ValueError("name the person by customer or by subject, and not by both")
        return self


class ErasureAnswer(Positioned):
    """What was erased, or would be. Whoever is erased is so for good, and is told of as the first time."""

    subject: str = Field(examples=["5f0c1c2b4e3d4c7d8e9f001122334455"])
    erased: bool = Field(description="false in a dry run about a person who is still kept")
    orders: int = Field(description="whose customer and recipient can be read no more, at most 10,000")
    plain_rows: int = Field(description="rows of read models that show the person in plain text just now")
    against: dict[str, str] = Field(
        description="rules that speak against it, each with what it says",
        examples=[{"orders_are_over": "2 of its orders are under way"}],
    )
    reason: str | None
    actor: str | None = Field(description="who had it erased", examples=["user:0190c3f2"])
    erased_at: datetime | None
    remains: str = Field(description="where copies may be that this does not reach")


class Erased(Answer):
    """That a person was erased."""

    number: int = Field(examples=[17])
    subject: str = Field(examples=["5f0c1c2b4e3d4c7d8e9f001122334455"])
    actor: str = Field(examples=["user:0190c3f2"])
    reason: str
    despite: list[str] = Field(description="rules that were overruled")
    erased_at: datetime
    position: int | None = Field(description="of the event that says so; null for a moment, before it does")


router = APIRouter(prefix="/v1/audit/erasures", tags=["audit"], route_class=CommandRoute)


@router.post(
    "",
    operation_id="erase_subject",
    dependencies=[requires("subjects:erase")],
    summary="Erase a person",
    response_model=ErasureAnswer,
    responses=PROBLEMS | answers(200, "The person is erased, or, in a dry run, would be"),
)
async def _erase_subject(request: Request, call: WantedCall, body: ErasureBody) -> Response:
    """The person's key is destroyed: every personal field of its events reads as erased from now on, in
    history, exports, read models and memory alike; the log itself stays as it is, and so do its proofs. There
    is no way back. Begin with `dry_run`.
    """
    erasures: Erasures = request.app.state.erasures
    subject = _subject(call, body)
    found = await _found(request, call.merchant, subject)
    try:
        check_names(body.despite)
        standing = await erasures.standing(subject)
        if body.subject:
            _check_own(subject, found)
        if standing.kept and not body.dry_run:
            despite = check(found, body.despite)
            standing = await erasures.erase(_entry(call, subject, body, despite))
    except Refused as refused:
        raise _problem(refused) from None
    except ListNotWritten as error:
        raise try_later(str(error), RETRY_SECONDS, kind="unavailable") from None
    return await _answer(call, subject, standing, found)


@router.get(
    "",
    operation_id="list_erasures",
    dependencies=[requires("audit:read")],
    summary="Who was erased, the newest first",
    responses=documented(),
)
async def _list_erasures(request: Request, merchant: Merchant, page: Page) -> PageOf[Erased]:
    (before,) = page.after("number", as_int) or (BOUND,)
    erasures: Erasures = request.app.state.erasures
    rows = await erasures.of_merchant(merchant, int(str(before)), page.limit + 1)
    return page_of(Erased, rows, page, "number", "number")


async def _found(request: Request, merchant: str, subject: str) -> Found:
    """As the read models show it once they have come to this moment: so an order of just now counts."""
    state = request.app.state
    now = Freshness(state.identity.token(await state.log.head()), WAIT_SECONDS)
    reader = Reader(shown_of(request), merchant, now, Response())
    rows = (await reader.rows(("orders",), (QUERIES.count_orders_of.sql, {"erased": subject})))[0]
    return Found(**rows[0]) if rows else Found(merchant)


def _check_own(subject: str, found: Found) -> None:
    """A pseudonym does not tell whose customer it is; its orders do."""
    if not found.orders:
        raise Refused("subject_exists", f"no order of this merchant is of the data subject {subject}")


def _subject(call: Call, body: ErasureBody) -> str:
    if body.subject:
        return body.subject
    assert body.customer
    return subject_of(call.parts.keyring, call.merchant, body.customer)


def _entry(call: Call, subject: str, body: ErasureBody, despite: tuple[str, ...]) -> Entry:
    return Entry(
        subject=subject,
        merchant=call.merchant,
        actor=call.asked.principal.actor,
        reason=body.reason,
        command_id=call.parts.ids.new(),  # not the request's: a key may come again, of another person
        erased_at=call.parts.clock.now(),
        despite=despite,
    )


def _problem(refused: Refused) -> Problem:
    if refused.rule == "subject_exists":
        return Problem(404, "not-found", refused.message, rule=refused.rule)
    return conflict(refused.rule, refused.message)


async def _answer(call: Call, subject: str, standing: Standing, found: Found) -> Response:
    entry = standing.entry
    position = call.parts.identity.token(standing.position or await call.parts.log.head())
    told: dict[str, Any] = {
        "position": position,
        "subject": subject,
        "erased": not standing.kept,
        "orders": found.orders,
        "plain_rows": found.plain_rows,
        "against": speaking_against(found) if standing.kept else {},
        "reason": entry.reason if entry else None,
        "actor": entry.actor if entry else None,
        "erased_at": entry.erased_at if entry else None,
        "remains": _REMAINS,
    }
    body = ErasureAnswer.model_validate(told).model_dump_json()
    return Response(body, 200, {POSITION_HEADER: position}, "application/json")
