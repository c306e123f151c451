"""What does a requested mail look like on the wire?"""

from __future__ import annotations

import re
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime

from domain.mail import Letter
from services.gateways.mail_templates import TEMPLATES

ADDRESS_LENGTH_MAX = 254
_ADDRESS = re.compile(r"[^\s@<>,;:\"\\()\[\]]+@[^\s@<>,;:\"\\()\[\]]+")


class NotWritable(Exception):
    """No mail can be made of it; the message says why, and nothing that stands in it."""


def check_address(address: str) -> None:
    """Raises ValueError, which does not repeat it, for what no mail could be sent to."""
    fits = len(address) <= ADDRESS_LENGTH_MAX and address.isprintable()
    if not fits or not _ADDRESS.fullmatch(address):
        raise ValueError("this is no address that mail could be sent to")


def make_message(
    mail_id: str, template: str, letter: Letter, secret: str, sender: str, now: datetime
) -> EmailMessage:
    """The mail. Its Message-ID is made of the request's id, so that two of one can be told.

    Raises NotWritable.
    """
    known = TEMPLATES.get(template)
    if known is None:
        raise NotWritable("template-unknown")
    try:
        subject, text = known.filled(letter.values, secret)
    except KeyError:
        raise NotWritable("template-blanks") from None
    message = EmailMessage(policy=SMTPUTF8)
    try:
        message["From"] = _address(sender)
        message["To"] = _address(letter.to)
    except (ValueError, MessageError):
        raise NotWritable("address") from None
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # nobody's holiday notice is to answer
    message.set_content(text)
    return message


def _address(address: str) -> Address:
    check_address(address)
    name, _, domain = address.partition("@")
    return Address(username=name, domain=domain)
