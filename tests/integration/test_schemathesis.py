"""Does the API keep what its own OpenAPI document says, whoever asks and whatever is sent?

schemathesis makes requests from the document, those that fit it and those that nearly do, and sends them as
every role. No answer may be a 500, have a status, a header or a shape that is not documented, or take
what the document forbids. TILLROLL_FUZZ_EXAMPLES says how many there are of each kind (`make nightly`: more).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import schemathesis.python._constants.orchestrator
import schemathesis.specs.openapi.schemas
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from domain.permissions import PLATFORM, on_platform
from eventstore.tasks import TaskGroup
from services.access.composition import Access
from services.access.users import Wanted
from services.api import running_app
from services.context import open_context
from services.play.command import caught_up
from services.processes.projector import main as projector_of
from services.settings import Settings
from services.web.access import Grant
from tests.integration.api_client import MERCHANT, a_key, listening
from tests.patience import HANGS

# Imported above, as Python up to 3.11.7 may fail to parse what is imported later, while the API's thread
# runs: pytest-dev/pytest#10874.

FEW = 2
EXAMPLES = int(os.environ.get("TILLROLL_FUZZ_EXAMPLES", str(FEW)))
SPARSE = ("owner",)
"""As whom is sent, where time is short, what is wrong, and the first request of each kind: a trivial one."""
NO_RATES = dict.fromkeys(
    ("rate_address", "rate_principal", "rate_sign_in_address", "rate_sign_in_account"), "100000000 per minute"
)

EVERYTHING = Grant("admin", on_platform())
ROLES = {
    "admin": (PLATFORM, Wanted("admin")),
    "operator": (PLATFORM, Wanted("operator")),
    "auditor": (MERCHANT, Wanted("auditor")),
    "owner": (MERCHANT, Wanted("owner")),
    "staff": (MERCHANT, Wanted("staff", ("orders:read", "stock:write", "members:read"))),
    "customer": (MERCHANT, Wanted("customer", (), "c1")),
    "nobody": (MERCHANT, None),
}
pytestmark = [
    pytest.mark.slow,
    # schemathesis' own, and those of the libraries that it makes requests with
    pytest.mark.filterwarnings("default"),
]


@dataclass
class Served:
    """The API, served on a loop of another thread, as schemathesis waits for its answers."""

    url: str
    app: FastAPI
    loop: asyncio.AbstractEventLoop

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def user(self, role: str) -> str:
        return str(self.run(self._user(role)))

    async def _user(self, role: str) -> str:
        access: Access = self.app.state.access
        place, wanted = ROLES[role]
        assert wanted
        address = f"{role}@example.com"
        user_id = await access.users.invite(address, place, wanted, EVERYTHING, actor="test", mail=False)
        token = await access.resets.make_token(user_id, "join", access.policy.invitation)
        await access.resets.confirm(token, "a till roll of paper")
        return user_id

    def headers(self, user_id: str) -> dict[str, str]:
        """Of a new session, as what was sent before may have ended the last one."""
        return {"Authorization": f"Bearer {self.run(self._token(user_id))}"}

    async def _token(self, user_id: str) -> str:
        access: Access = self.app.state.access
        begun = await access.sessions.begin(user_id, "schemathesis", cookie=False)
        return await access.tokens.issue(user_id, begun.session_id)


@pytest.fixture
def served(database: str, nats_url: str, tmp_path: Path) -> Iterator[Served]:
    chosen = Settings(data_dir=tmp_path, database_url=database, nats_url=nats_url, **NO_RATES)
    ready: Future[Served] = Future()
    end = asyncio.Event()

    async def serve() -> None:
        async with (
            open_context(chosen, "test", follow=False) as context,
            open_context(chosen, "projector", "project") as projecting,
            running_app(context) as app,
            listening(app, chosen) as url,
            TaskGroup() as tasks,
        ):
            projector = tasks.create_task(projector_of(projecting))
            key = await a_key(app)
            headers = {"Authorization": f"Bearer {key}", "Tillroll-Merchant": MERCHANT}
            answer = await asyncio.to_thread(
                requests.post, f"{url}/v1/merchant", json={}, headers=headers, timeout=HANGS
            )
            assert answer.status_code == 201, answer.text
            await caught_up(context)
            ready.set_result(Served(url, app, asyncio.get_running_loop()))
            await end.wait()
            projector.cancel()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        found = ready.result(60)
        yield found
        found.loop.call_soon_threadsafe(end.set)
    finally:
        thread.join()


def requests_of(operation: Any, mode: GenerationMode, send: Callable[[Any, int], None]) -> None:
    """Some requests for it; none where nothing can be wrong with one."""

    numbers = itertools.count()
    few = mode.is_negative and EXAMPLES <= FEW

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=1 if few else EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    def each(case: Any) -> None:
        send(case, next(numbers))

    with suppress(Unsatisfiable):
        each()


def document_of(served: Served) -> Any:
    """As schemathesis reads it."""
    schema = schemathesis.openapi.from_dict(served.app.openapi())
    schema = schema.exclude(operation_id="follow_audit_events")  # its answer does not end
    schema.config.base_url = served.url
    checks = schema.config.checks
    # rules that no schema can say: sums of money, a code that fits, a permission that there is
    checks.positive_data_acceptance.expected_statuses += ["400", "422"]
    checks.negative_data_rejection.expected_statuses += ["408", "413", "414", "431"]
    return schema


def test_every_answer_is_one_that_the_document_has(served: Served) -> None:
    users = {role: served.user(role) for role, (_, wanted) in ROLES.items() if wanted}
    wrong: list[str] = []
    sent = 0
    with requests.Session() as session:
        for found in document_of(served).get_all_operations():
            operation = found.ok()
            headers = {role: served.headers(user_id) for role, user_id in users.items()} | {"nobody": {}}

            def send(case: Any, number: int, headers: dict[str, dict[str, str]] = headers) -> None:
                nonlocal sent
                sparse = EXAMPLES <= FEW and (number == 0 or case.meta.generation.mode.is_negative)
                for role in SPARSE if sparse else headers:
                    sent += 1
                    try:
                        case.call_and_validate(
                            base_url=served.url, session=session, headers=headers[role], timeout=HANGS
                        )
                    except FailureGroup as failures:
                        wrong.append(f"{role}: {case.operation.label}: {failures.message}")

            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                requests_of(operation, mode, send)
    assert not wrong, f"{len(wrong)} of {sent} answers are wrong:\n" + "\n".join(wrong)
