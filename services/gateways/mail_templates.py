"""What do our mails say? Plain text with blanks; `$secret` is the one that never stands in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

SECRET = "secret"  # noqa: S105 - the name of a blank


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """A subject line and a text, both with blanks."""

    subject: Template
    text: Template

    @property
    def blanks(self) -> frozenset[str]:
        return frozenset((*self.subject.get_identifiers(), *self.text.get_identifiers()))

    def check(self, values: Mapping[str, str], *, has_secret: bool) -> None:
        """Raises ValueError, which names no value, unless exactly the blanks are filled."""
        given = {*values, *([SECRET] if has_secret else [])}
        if given != self.blanks or SECRET in values:
            raise ValueError(f"this mail has the blanks {', '.join(sorted(self.blanks))}; fill each of them")

    def filled(self, values: Mapping[str, str], secret: str) -> tuple[str, str]:
        """Subject and text. What is filled in is printable, and in the subject it stays on its line."""
        filling = {name: _printable(value) for name, value in {**values, SECRET: secret}.items()}
        subject = " ".join(self.subject.substitute(filling).split())
        return subject, self.text.substitute(filling)


def _printable(text: str) -> str:
    return "".join(each for each in text if each.isprintable() or each == "\n")


def _template(subject: str, text: str) -> MailTemplate:
    return MailTemplate(Template(subject), Template(text))


TEMPLATES: Mapping[str, MailTemplate] = {
    "message": _template("$subject", "$secret\n"),
    "invitation": _template(
        "You are invited to $place",
        "You were invited to $place. To choose a password, go to\n\n$secret\n\n"
        "The link is good once, for $valid. If you expected no invitation, you need do nothing.\n",
    ),
    "password-reset": _template(
        "Set a new password",
        "Somebody, probably you, asked for a new password. To set it, go to\n\n$secret\n\n"
        "The link is good once, for $valid. If it was not you, you need do nothing: your password stays.\n",
    ),
    "locked-out": _template(
        "Sign-in is locked for a while",
        "Too many sign-ins with a wrong password were tried for your address. It is locked until $until.\n"
        "If it was not you, you need do nothing.\n",
    ),
}
"""By name, as it stands in the log: a name that was used once keeps its meaning."""
