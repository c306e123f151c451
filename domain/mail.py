"""One mail: that it is to be sent, and what came of it.

A mail server can't be asked whether it has taken a mail. So a mail that was begun and has no outcome is said
to be unknown, and is not sent again: twice is worse than a person who asks again. No secret stands here (a
token to set a password with): `has_secret` says that one waits elsewhere until the mail is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from domain.kernel import Command, Decider, Event, Refused, Value
from domain.personal import Personal

Id = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(max_length=100)]
Attempts = Annotated[int, Field(ge=0, le=10**6)]


class Letter(Value):
    """Who gets it, and what stands in the blanks of its template: all of it may be personal."""

    to: str
    values: dict[str, str] = Field(default_factory=dict)


class MailRequested(Event):
    mail_id: Id
    template: Id
    subject: Id
    letter: Personal[Letter]
    has_secret: bool = False


class MailSent(Event):
    """A mail server has taken it: that is all that can be known."""

    mail_id: Id
    attempts: Attempts = 1


class MailFailed(Event):
    """It was surely not sent. `reason` is a word of ours or a server's code, never a server's text."""

    mail_id: Id
    reason: Reason
    attempts: Attempts = 1


class MailOutcomeUnknown(Event):
    """It was begun, and nobody knows whether it was sent; it is not sent again."""

    mail_id: Id


MailEvent: TypeAlias = MailRequested | MailSent | MailFailed | MailOutcomeUnknown


class RequestMail(Command):
    creates = True
    mail_id: Id
    template: Id
    subject: Id
    letter: Personal[Letter]
    has_secret: bool = False


class RecordMailSent(Command):
    mail_id: Id
    attempts: Attempts = 1


class RecordMailFailure(Command):
    mail_id: Id
    reason: Reason
    attempts: Attempts = 1


class RecordMailUnknown(Command):
    mail_id: Id


MailCommand: TypeAlias = RequestMail | RecordMailSent | RecordMailFailure | RecordMailUnknown


@dataclass(frozen=True, slots=True)
class Mail:
    requested: bool = False
    outcome: Literal["", "sent", "failed", "unknown"] = ""


def decide(command: MailCommand, mail: Mail) -> tuple[MailEvent, ...]:
    if isinstance(command, RequestMail):
        return () if mail.requested else (MailRequested(**dict(command)),)
    if not mail.requested:
        raise Refused("mail_exists", f"there is no mail {command.mail_id}")
    match command:
        case _ if mail.outcome in ("sent", "failed"):
            return ()
        case RecordMailSent():  # also after "unknown": what is known late is still known
            return (MailSent(**dict(command)),)
        case RecordMailFailure():
            return (MailFailed(**dict(command)),)
        case RecordMailUnknown():
            return () if mail.outcome else (MailOutcomeUnknown(**dict(command)),)


def evolve(mail: Mail, event: MailEvent) -> Mail:
    match event:
        case MailRequested():
            return replace(mail, requested=True)
        case MailSent():
            return replace(mail, outcome="sent")
        case MailFailed():
            return replace(mail, outcome="failed")
        case MailOutcomeUnknown():
            return replace(mail, outcome="unknown")


MAIL: Decider[MailCommand, MailEvent, Mail] = Decider(
    "mail",
    decide,
    evolve,
    Mail(),
    events=MailEvent.__args__,
    commands=MailCommand.__args__,
    parts=("mail_id",),
)

AGGREGATES = (MAIL,)
