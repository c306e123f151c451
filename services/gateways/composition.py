"""Which parts make up the gateways process, and with which settings?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from eventstore.tasks import TaskGroup
from services.context import ProcessContext
from services.gateways.breaker import PATIENCE
from services.gateways.gateway import Gateway
from services.gateways.inbox import Inbox
from services.gateways.mail_runner import MAIL_PATIENCE, MailRunner
from services.gateways.mail_secrets import MailSeal
from services.gateways.mail_sender import MailSender
from services.gateways.mail_transport import open_transport
from services.gateways.provider import open_http
from services.gateways.providers import provider_of
from services.gateways.reconcile import DailyReconciliation
from services.gateways.registered import GATEWAYS
from services.gateways.runner import GatewayRunner
from services.gateways.signatures import SCHEMES
from services.gateways.webhooks import WebhookServer

Persist = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]


async def run_gateways(context: ProcessContext, persist: Persist) -> None:
    """All gateways, their inbox and its door; `persist` outlives the servers' failures."""
    settings = context.settings
    verifiers = {each.name: SCHEMES[each.wire](settings.webhook_secret(each.name)) for each in GATEWAYS}
    async with open_http() as http:
        providers = {
            each.name: provider_of(each, settings, http, timeout_s=PATIENCE.timeout_s) for each in GATEWAYS
        }
        inbox = Inbox(GATEWAYS, context.executor, context.log.database, context.clock, providers)
        door = WebhookServer(inbox, verifiers, settings.internal_host, settings.webhook_port, settings)

        def runner(gateway: Gateway) -> GatewayRunner:
            return GatewayRunner(
                gateway,
                providers[gateway.name],
                context.feed,
                context.executor,
                context.log.database,
                context.keyring,
                context.clock,
            )

        runners: tuple[GatewayRunner | MailRunner, ...] = (*map(runner, GATEWAYS), _mail_runner(context))
        async with TaskGroup() as tasks:
            tasks.create_task(_run(door.run()))
            tasks.create_task(_run(persist("inbox", inbox.run)))
            daily = DailyReconciliation(context, providers)
            tasks.create_task(_run(persist("reconciliation", daily.run)))
            for each in runners:
                tasks.create_task(_run(persist(each.follower, each.run)))


def _mail_runner(context: ProcessContext) -> MailRunner:
    settings = context.settings
    sender = MailSender(
        open_transport(settings.smtp_url, settings.data_dir / "mail"),
        MailSeal(settings.master_key()),
        context.executor,
        context.keyring,
        context.clock,
        settings.mail_from,
        MAIL_PATIENCE,
    )
    return MailRunner(sender, context.feed, context.log.database)


async def _run(part: Awaitable[None]) -> None:
    await part
