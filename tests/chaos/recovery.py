"""When has the system come back, and how long did that take?

When a command that was never sent before is answered, a read shows what it did, every process runs, and every
follower is done with the log up to there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from tests.chaos.system import System, TookTooLong, wait_for

RECOVERY_SECONDS_MAX = 120.0
ANSWER_SECONDS_MAX = 5.0
AWAY = (httpx.TransportError,)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds since the end of a fault."""

    answers: float
    """Until a fresh command was answered and shown by its read model."""
    caught_up: float
    """Until all processes ran and all followers were done with the log up to that command. Of those who
    keep their place lazily (relay, mail): until they had renewed or taken their lease."""
    last: str
    """What was waited for last; nothing, if all of it was there at once."""


class Customer:
    """Sends commands and reads, by an API key of a merchant of its own, and tries until it is answered."""

    def __init__(self, api: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=api, headers=headers, timeout=ANSWER_SECONDS_MAX)
        self._sent = 0

    def buys_in(self) -> int:
        """Let one unit of new goods come in, and see it in stock; the position of that."""
        self._sent += 1
        sku = _sku(self._sent)
        wait_for(f"the command that {sku} comes in", lambda: self._send(sku), RECOVERY_SECONDS_MAX)
        wait_for(f"{sku} to be shown", lambda: self._shown(sku, self._position), RECOVERY_SECONDS_MAX)
        return int(self._position.rpartition(".")[2])

    def miscounted(self) -> list[str]:
        """Of all that ever came in, what does not lie there exactly once."""
        return [sku for sku in map(_sku, range(1, self._sent + 1)) if not self._shown(sku, "")]

    def _send(self, sku: str) -> bool:
        body = {"sku": sku, "quantity": 1}
        try:
            answer = self._http.post("/v1/stock/receive", json=body, headers={"Idempotency-Key": sku})
        except AWAY:
            return False
        self._position = answer.headers.get("Tillroll-Position", "")
        return answer.status_code == 200

    def _shown(self, sku: str, position: str) -> bool:
        fresh = {"Tillroll-Min-Position": position, "Prefer": "wait=1"} if position else {}
        try:
            answer = self._http.get("/v1/stock", params={"sku": sku}, headers=fresh)
        except AWAY:
            return False
        return answer.status_code == 200 and [row["on_hand"] for row in answer.json()["items"]] == [1]


def _sku(number: int) -> str:
    return f"CHAOS-{number}"


def recover(system: System, customer: Customer, over: float) -> Recovery:
    """Wait for it; `over` is when the fault was. Raises TookTooLong with what did not come back."""
    since = time.time() - (time.monotonic() - over)
    position = customer.buys_in()
    answers = time.monotonic() - over
    last = ""

    def there() -> bool:
        nonlocal last
        missing = system.dead() or system.not_back(position, since)
        last = ", ".join(missing) or last
        return not missing

    try:
        wait_for(f"everybody to be done with the log up to {position}", there, RECOVERY_SECONDS_MAX)
    except TookTooLong as error:
        raise TookTooLong(f"{error}: {last}") from None
    return Recovery(answers, time.monotonic() - over, last)
