"""How does a part of ours have a mail sent? It requests it: the gateways send what the log says."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from uuid import UUID

from commands.executor import Context, Executor
from domain.kernel import Target, one
from domain.mail import Letter, RequestMail
from domain.streams import mail_stream
from eventstore.keyring import Keyring
from eventstore.seams import Clock, Ids, key_id
from services.gateways.mail_message import check_address
from services.gateways.mail_secrets import MailSeal, MailSecrets
from services.gateways.mail_templates import TEMPLATES

PLATFORM = ".platform"
VALUES_LENGTH_MAX = 10_000


async def mail_subject(keyring: Keyring, address: str) -> str:
    """The data subject of mails to an address; another one once its owner was erased, who may come back."""
    for again in count():
        subject = keyring.subject(f"mail\x00{address.casefold()}" + (f"\x00{again}" if again else ""))
        await keyring.ensure((subject,))
        if not keyring.is_erased(subject):
            return subject
    raise AssertionError("it is counted without end")


class Mails:
    """Requests mails. What was requested is in the log when `request` returns, and so is sent later."""

    def __init__(
        self,
        executor: Executor,
        keyring: Keyring,
        secrets: MailSecrets,
        seal: MailSeal,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._keyring = keyring
        self._secrets = secrets
        self._seal = seal
        self._ids = ids
        self._clock = clock

    async def request(
        self,
        to: str,
        template: str,
        values: Mapping[str, str],
        secret: str = "",
        merchant: str = PLATFORM,
        *,
        key: str = "",
        subject: str = "",
        actor: str = "system:mail",
        causation: str = "",
    ) -> None:
        """Request it once for each `key` (each time without one), whatever is given the next time.

        `subject` is the pseudonym whose key seals address and values; without one it is made of the address.
        Raises ValueError for an address or template that can't be sent, and what the log does.
        """
        mail_id = self._mail_id(merchant, key)
        target = await self.prepare(mail_id.hex, to, template, values, secret, subject=subject)
        context = Context(
            command_id=key_id("mail", mail_id.hex),
            merchant=merchant,
            actor=actor,
            correlation=mail_id.hex,
            causation=causation or f"mail:{mail_id.hex}",
            occurred_at=self._clock.now(),
        )
        done = await self._executor.execute(one(target.stream, target.command), context)
        assert done.refused is None, "a request for a mail is never refused"

    async def send(self, to: str, subject: str, text: str) -> None:
        """A mail without a template of its own; all of `text` counts as a secret."""
        await self.request(to, "message", {"subject": subject}, text)

    async def prepare(
        self,
        mail_id: str,
        to: str,
        template: str,
        values: Mapping[str, str],
        secret: str = "",
        *,
        subject: str = "",
    ) -> Target:
        """Keep the secret; the command that is still to be carried out, by itself or with others as one.

        Should it never be, the secret is swept after a day.
        """
        check_address(to)
        if template not in TEMPLATES:
            raise ValueError(f"there is no mail {template}; there are {', '.join(sorted(TEMPLATES))}")
        TEMPLATES[template].check(values, has_secret=bool(secret))
        if sum(map(len, values.values())) > VALUES_LENGTH_MAX:
            raise ValueError(f"what is filled into a mail holds at most {VALUES_LENGTH_MAX} characters")
        if secret:
            await self._secrets.keep(mail_id, self._seal.seal(mail_id, secret))
        command = RequestMail(
            mail_id=mail_id,
            template=template,
            subject=subject or await mail_subject(self._keyring, to),
            letter=Letter(to=to, values=dict(values)),
            has_secret=bool(secret),
        )
        return Target(mail_stream(mail_id), command)

    def _mail_id(self, merchant: str, key: str) -> UUID:
        return key_id("mail", merchant, key) if key else self._ids.new()
