"""Is a mail requested once, and what came of it said once? And what stands in it?"""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP, default

import pytest

from commands.executor import Executor
from domain.mail import (
    MAIL,
    Letter,
    MailFailed,
    MailOutcomeUnknown,
    MailRequested,
    MailSent,
    RecordMailFailure,
    RecordMailSent,
    RecordMailUnknown,
    RequestMail,
)
from domain.personal import Sealed
from eventstore.codec import decode, opened
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds, WallClock
from services.gateways.mail import Mails
from services.gateways.mail_message import NotWritable, make_message
from services.gateways.mail_secrets import MailSeal, MemoryMailSecrets
from services.gateways.mail_templates import TEMPLATES
from services.gateways.mail_transport import SmtpTransport
from tests.specification import Specification

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LETTER = Letter(to="ana@example.com", values={"valid": "an hour"})
REQUEST = RequestMail(mail_id="l1", template="password-reset", subject="s1", letter=LETTER, has_secret=True)
REQUESTED = MailRequested(**dict(REQUEST))
mail = Specification(MAIL)


def test_is_requested_once() -> None:
    mail.given().when(REQUEST).then(REQUESTED)
    mail.given(REQUESTED).when(REQUEST.model_copy(update={"template": "locked-out"})).then_nothing()


def test_what_was_never_requested_has_no_outcome() -> None:
    for command in (
        RecordMailSent(mail_id="l1"),
        RecordMailFailure(mail_id="l1", reason="550"),
        RecordMailUnknown(mail_id="l1"),
    ):
        mail.given().when(command).then_refused("mail_exists")


def test_has_one_outcome() -> None:
    for outcome in (MailSent(mail_id="l1"), MailFailed(mail_id="l1", reason="550")):
        begun = mail.given(REQUESTED, outcome)
        begun.when(RecordMailSent(mail_id="l1")).then_nothing()
        begun.when(RecordMailFailure(mail_id="l1", reason="550")).then_nothing()
        begun.when(RecordMailUnknown(mail_id="l1")).then_nothing()


def test_what_is_known_late_is_still_known() -> None:
    unknown = mail.given(REQUESTED, MailOutcomeUnknown(mail_id="l1"))
    unknown.when(RecordMailUnknown(mail_id="l1")).then_nothing()
    unknown.when(RecordMailSent(mail_id="l1", attempts=2)).then(MailSent(mail_id="l1", attempts=2))
    unknown.when(RecordMailFailure(mail_id="l1", reason="550")).then(MailFailed(mail_id="l1", reason="550"))


class Desk:
    """Mails over the twins in memory."""

    def __init__(self) -> None:
        self.log, self.keyring = MemoryLog(), Keyring(bytes(32), MemoryKeyStore())
        self.secrets, self.seal = MemoryMailSecrets(), MailSeal(bytes(32))
        executor = Executor(self.log, RandomIds(), self.keyring)
        self.mails = Mails(executor, self.keyring, self.secrets, self.seal, RandomIds(), WallClock())

    async def requested(self) -> list[MailRequested]:
        return [decode(each).event for each in await self.log.read(0, 100)]  # type: ignore[misc]


async def test_a_request_holds_neither_address_nor_secret_in_the_clear() -> None:
    desk = Desk()
    await desk.mails.request(
        "ana@example.com", "password-reset", {"valid": "an hour"}, "https://us/reset#T0KEN"
    )
    (event,) = await desk.requested()
    assert isinstance(event.letter, Sealed)
    assert event.has_secret
    assert opened(event, desk.keyring).letter == LETTER  # type: ignore[attr-defined]
    text = str([each.data for each in await desk.log.read(0, 10)]) + str(desk.secrets.kept)
    for marker in ("ana@", "example.com", "an hour", "T0KEN"):  # "ana" alone is in some base64, by chance
        assert marker not in text
    sealed = desk.secrets.kept[event.mail_id]
    assert desk.seal.open(event.mail_id, sealed) == "https://us/reset#T0KEN"
    assert desk.seal.open("another", sealed) is None
    assert MailSeal(b"k" * 32).open(event.mail_id, sealed) is None


async def test_a_key_makes_one_mail_at_each_merchant() -> None:
    desk = Desk()
    for _ in range(3):
        await desk.mails.request("ana@example.com", "locked-out", {"until": "noon"}, key="lock 7")
    assert len(await desk.requested()) == 1
    await desk.mails.request("ana@example.com", "locked-out", {"until": "noon"}, merchant="m1", key="lock 7")
    await desk.mails.request("ana@example.com", "locked-out", {"until": "noon"})
    await desk.mails.send("ana@example.com", "Hello", "There")
    assert len({each.mail_id for each in await desk.requested()}) == 4
    assert len({each.subject for each in await desk.requested()}) == 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ana",
        "@example.com",
        "ana@",
        "ana@b@c",
        "a na@example.com",
        "ana@example.com\r\nBcc: eve@example.com",
        "ana@example.com, eve@example.com",
        "<ana@example.com>",
        "a" * 250 + "@example.com",
    ],
)
async def test_what_is_no_address_is_refused_and_not_repeated(address: str) -> None:
    desk = Desk()
    with pytest.raises(ValueError, match=r"^this is no address that mail could be sent to$"):
        await desk.mails.request(address, "locked-out", {"until": "noon"})
    assert await desk.requested() == []


async def test_blanks_that_are_not_filled_are_refused() -> None:
    desk = Desk()
    for template, values, secret in (
        ("nothing-such", {}, ""),
        ("locked-out", {}, ""),
        ("locked-out", {"until": "noon", "more": "x"}, ""),
        ("locked-out", {"until": "noon"}, "T0KEN"),
        ("password-reset", {"valid": "an hour"}, ""),
        ("password-reset", {"valid": "an hour", "secret": "T0KEN"}, "T0KEN"),
        ("locked-out", {"until": "x" * 10_001}, ""),
    ):
        with pytest.raises(ValueError, match="mail") as refused:
            await desk.mails.request("ana@example.com", template, values, secret)
        assert "T0KEN" not in str(refused.value)
    assert await desk.requested() == []
    assert desk.secrets.kept == {}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_makes_a_mail(name: str) -> None:
    values = {blank: f"<{blank}>" for blank in TEMPLATES[name].blanks - {"secret"}}
    letter = Letter(to="ana@example.com", values=values)
    made = make_message("l1", name, letter, "https://us/s", "shop@example.com", NOW)
    read = message_from_bytes(made.as_bytes(policy=SMTP), policy=default)
    assert read["To"] == "ana@example.com"
    assert read["From"] == "shop@example.com"
    assert read["Message-ID"] == "<l1@example.com>"
    text = f"{read['Subject']}\n{read.get_content()}"
    for value in values.values():
        assert value in text
    assert ("https://us/s" in text) == ("secret" in TEMPLATES[name].blanks)


def test_what_is_filled_in_makes_no_header() -> None:
    letter = Letter(to="ana@example.com", values={"subject": "Hi\r\nBcc: eve@example.com\x00"})
    made = make_message("l1", "message", letter, "text", "shop@example.com", NOW)
    read = message_from_bytes(made.as_bytes(policy=SMTP), policy=default)
    assert read["Bcc"] is None
    assert read["Subject"] == "Hi Bcc: eve@example.com"


def test_what_can_not_be_written_is_said_without_its_words() -> None:
    for template, letter, reason in (
        ("nothing-such", LETTER, "template-unknown"),
        ("locked-out", LETTER, "template-blanks"),
        ("password-reset", LETTER.model_copy(update={"to": "T0KEN"}), "address"),
        ("password-reset", LETTER.model_copy(update={"to": "a@b\r\nBcc: T0KEN@c"}), "address"),
    ):
        with pytest.raises(NotWritable) as error:
            make_message("l1", template, letter, "T0KEN", "shop@example.com", NOW)
        assert str(error.value) == reason


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "mail:25", "smtp:mail"])
def test_an_address_of_a_server_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="TILLROLL_SMTP_URL"):
        SmtpTransport(url)
