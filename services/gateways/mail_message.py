"""What does a requested mail look like on the wire?"""

from __future__ import annotations

from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime

from domain.mail import Letter
from services.gateways.mail_templates import TEMPLATES


class NotWritable(Exception):
    """No mail can be made of it; the message says why, and nothing that stands in it."""


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
        message["From"] = Address(addr_spec=sender)
        message["To"] = Address(addr_spec=letter.to)
    except (ValueError, MessageError):
        raise NotWritable("address") from None
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # nobody's holiday notice is to answer
    message.set_content(text)
    return message
