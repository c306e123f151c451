"""What do the routes of access work with? All of its services, put together once for a process."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from commands.executor import Executor
from eventstore.keyring import Keyring
from eventstore.log import Log
from eventstore.seams import Clock, Ids
from eventstore.statements import Pool
from eventstore.tasks import finish
from services.access.addresses import Addresses
from services.access.api_keys import ApiKeys
from services.access.facts import Facts
from services.access.gate import AccessGate
from services.access.later import Later
from services.access.mail import Mailer
from services.access.passwords import Passwords
from services.access.policy import Policy
from services.access.resets import Resets
from services.access.seals import Seals
from services.access.second_factor import SecondFactor
from services.access.sessions import Sessions
from services.access.sign_in import SignIn
from services.access.signing_keys import SigningKeys
from services.access.store import Store
from services.access.tokens import AccessTokens
from services.access.users import Users


class Parts:
    """Nothing here asks the database before it is used, so a process may make it before it is connected."""

    def __init__(
        self,
        master_key: bytes,
        policy: Policy,
        log: Log,
        executor: Executor,
        keyring: Keyring,
        pool: Pool,
        clock: Clock,
        ids: Ids,
        mailer: Mailer,
    ) -> None:
        self.store = store = Store(pool)
        seals, self.later = Seals(master_key), Later()
        self.log = log
        self.executor = executor
        self.clock = clock
        self.policy = policy
        self.seals = seals
        self.passwords = Passwords(policy)
        self.facts = Facts(executor, clock, ids)
        self.addresses = Addresses(store, seals, self.facts, keyring, ids)
        self.tokens = AccessTokens(SigningKeys(store, seals, clock, policy), clock, ids, policy)
        self.sessions = Sessions(store, self.facts, clock, ids, policy)
        self.second_factor = SecondFactor(store, seals, self.facts, clock, policy)
        self.sign_in = SignIn(
            store,
            seals,
            self.facts,
            self.passwords,
            self.second_factor,
            self.sessions,
            self.later,
            clock,
            policy,
        )
        self.resets = Resets(
            store,
            self.facts,
            self.addresses,
            self.passwords,
            self.sessions,
            mailer,
            self.later,
            clock,
            policy,
        )
        self.users = Users(
            store,
            self.facts,
            self.addresses,
            self.resets,
            self.sessions,
            mailer,
            self.later,
            clock,
            policy,
            keyring,
        )
        self.api_keys = ApiKeys(store, self.facts, clock, ids)
        self.gate = AccessGate(store, seals, self.facts, self.tokens, clock, policy)
        self.facts.told = self.gate.forget

    async def close(self) -> None:
        """What was begun after an answer is brought to its end."""
        try:
            await finish(self.later.settle())
        finally:
            self.passwords.close()


async def parts_of(request: Request) -> Parts:
    return request.app.state.access  # type: ignore[no-any-return]


WantedParts = Annotated[Parts, Depends(parts_of)]
"""The type of a route's parameter that wants the services of access."""
