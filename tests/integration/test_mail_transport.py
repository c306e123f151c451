"""Is what is known of a mail told as it is, however the server breaks?"""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from domain.mail import Letter
from services.gateways.mail_message import make_message
from services.gateways.mail_transport import Delivery, FileTransport, SmtpTransport
from tests.integration.smtp_server import smtp_running

SENDER, RECIPIENT = "shop@example.com", "ana@example.com"
HASTY_S = 0.3


def a_message(to: str = RECIPIENT, text: str = "Olá\n.\n..two dots\n") -> EmailMessage:
    letter = Letter(to=to, values={"subject": "Olá, Ana"})
    return make_message("l1", "message", letter, text, SENDER, datetime(2026, 1, 1, tzinfo=UTC))


async def test_a_file_is_whole_and_for_our_eyes_only(tmp_path: Path) -> None:
    directory = tmp_path / "mail"
    transport = FileTransport(directory)
    for _ in range(2):
        assert await transport.deliver("l1", a_message()) == Delivery("sent")
    (file,) = directory.iterdir()
    assert file.name == "l1.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    read = message_from_bytes(file.read_bytes(), policy=default)
    assert (read["To"], read["Subject"]) == (RECIPIENT, "Olá, Ana")
    assert read.get_content().splitlines() == ["Olá", ".", "..two dots", ""]


async def test_a_disk_that_is_full_or_gone_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("no directory")
    assert await FileTransport(tmp_path / "mail").deliver("l1", a_message()) == Delivery("postponed", "disk")


async def test_a_mail_is_taken_by_smtp() -> None:
    async with smtp_running() as smtp:
        assert await SmtpTransport(smtp.url).deliver("l1", a_message()) == Delivery("sent")
    assert smtp.commands[1:3] == [f"mail FROM:<{SENDER}>", f"rcpt TO:<{RECIPIENT}>"]
    (text,) = smtp.taken
    read = message_from_bytes(text.replace("\r\n..", "\r\n.").encode(), policy=default)
    assert read["Subject"] == "Olá, Ana"
    assert read["Message-ID"] == "<l1@example.com>"


LOST, ODD = Delivery("unknown", "answer-lost"), Delivery("unknown", "answer-odd")
AWAY = Delivery("postponed", "unreachable")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (("HELLO", "554 no service"), Delivery("refused", "554")),
        (("HELLO", "421 too busy"), Delivery("postponed", "421")),
        (("HELLO", ""), AWAY),
        (("HELLO", None), AWAY),
        (("EHLO", ""), AWAY),
        (("MAIL", "451 later"), Delivery("postponed", "451")),
        (("MAIL", "550 not you: shop@example.com"), Delivery("refused", "550")),
        (("RCPT", "450 greylisted"), Delivery("postponed", "450")),
        (("RCPT", "550 no ana@example.com here"), Delivery("refused", "550")),
        (("RCPT", ""), AWAY),
        (("RCPT", "what?"), Delivery("postponed", "-1")),
        (("DATA", "554 no text from you"), Delivery("refused", "554")),
        (("DATA", "451 later"), Delivery("postponed", "451")),
        (("TEXT", "452 disk full"), Delivery("postponed", "452")),
        (("TEXT", "552 too large"), Delivery("refused", "552")),
        (("TEXT", ""), LOST),
        (("TEXT", None), LOST),
        (("TEXT", "what?"), ODD),
        (("TEXT", "354 go on"), ODD),
        (("QUIT", ""), Delivery("sent")),
        (("QUIT", "500 stay"), Delivery("sent")),
        (("QUIT", None), Delivery("sent")),
    ],
)
async def test_a_fault_is_what_it_is(fault: tuple[str, str | None], expected: Delivery) -> None:
    async with smtp_running() as smtp:
        smtp.faults.append(fault)
        transport = SmtpTransport(smtp.url, timeout_s=HASTY_S)
        assert await transport.deliver("l1", a_message()) == expected


async def test_nobody_there_is_tried_again() -> None:
    async with smtp_running() as smtp:
        url = smtp.url
    assert await SmtpTransport(url).deliver("l1", a_message()) == AWAY


async def test_an_address_that_the_server_can_not_write_is_refused() -> None:
    jose = a_message("josé@example.com")
    async with smtp_running() as smtp:
        transport = SmtpTransport(smtp.url)
        assert await transport.deliver("l1", jose) == Delivery("refused", "no-smtputf8")
        smtp.extensions = ("SMTPUTF8",)
        assert await transport.deliver("l1", jose) == Delivery("sent")
        assert "rcpt TO:<josé@example.com>" in smtp.commands


async def test_a_password_goes_nowhere_in_the_clear() -> None:
    async with smtp_running() as smtp:
        # a server elsewhere that offers no TLS: as one in the middle of the way would have it
        smtp.extensions = ("AUTH PLAIN",)
        transport = SmtpTransport(f"smtp://shop:MARKER@127.0.0.1:{smtp.port}")
        transport._upgrades = True
        assert await transport.deliver("l1", a_message()) == Delivery("postponed", "not-supported")
        assert [each.split()[0] for each in smtp.commands] == ["ehlo"]
        # and one whose certificate is nobody's is not talked to at all
        tls = SmtpTransport(f"smtps://shop:MARKER@127.0.0.1:{smtp.port}", timeout_s=HASTY_S)
        assert await tls.deliver("l1", a_message()) == AWAY
    assert "MARKER" not in str(smtp.commands)
    assert SmtpTransport("smtp://mail.example")._upgrades
    assert not SmtpTransport("smtp://[::1]:2525")._upgrades
    assert SmtpTransport("smtps://mail.example")._tls.verify_mode == ssl.CERT_REQUIRED


async def test_a_wrong_password_is_our_trouble_not_the_mail_s() -> None:
    async with smtp_running() as smtp:
        smtp.extensions = ("AUTH PLAIN",)
        smtp.faults.append(("AUTH", "535 wrong"))
        transport = SmtpTransport(f"smtp://shop:wrong@127.0.0.1:{smtp.port}")
        assert await transport.deliver("l1", a_message()) == Delivery("postponed", "535")
