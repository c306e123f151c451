"""How does a world misbehave, and how does it decide when?

Each throw of the dice is a hash of the seed and of what it is about (a request's key or a webhook's id, and
the attempt), not the next number of a generator: a seed gives the same faults however the requests
interleave.
"""

from collections import Counter
from enum import Enum
from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import Field

from services.worlds.models import Line, Model

Rate = Annotated[float, Field(ge=0, le=1, strict=False)]


class Rates(Model):
    webhook_duplicate: Rate = 0
    webhook_reorder: Rate = 0
    webhook_delay: Rate = 0
    webhook_drop: Rate = 0
    timeout_before: Rate = 0
    timeout_after: Rate = 0
    error_500: Rate = 0
    too_many: Rate = 0
    late_answer: Rate = 0
    service_refused: Rate = 0
    # what befalls a payment without a scenario, on the wall clock
    action_required: Rate = 0
    authorization_expiry: Rate = 0
    dispute: Rate = 0
    captured_once: Rate = 0


class Faults(Model):
    """What `PUT /control/faults` takes: shares between 0 and 1, none by default."""

    seed: int = 0
    rates: Rates = Rates()
    delay_ms_max: Annotated[int, Field(ge=0, le=60_000)] = 0


class FaultsSet(Line):
    kind: Literal["faults_set"] = "faults_set"
    faults: Faults


class RequestFault(Enum):
    """What may befall one request to the provider."""

    ERROR_500 = "error_500"  # nothing is done, and the answer says that something broke
    TOO_MANY = "too_many"  # nothing is done, and the answer asks for patience
    TIMEOUT_BEFORE = "timeout_before"  # nothing is done, and no answer comes
    TIMEOUT_AFTER = "timeout_after"  # it is done, and no answer comes
    LATE_ANSWER = "late_answer"  # it is done, and the answer takes its time


def throw(faults: Faults, *about: object) -> float:
    """A number in [0, 1), the same for the same seed and subject."""
    digest = blake2b("\n".join(map(str, (faults.seed, *about))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def befalls(faults: Faults, kind: str, *about: object) -> bool:
    rate: float = getattr(faults.rates, kind)
    return rate > 0 and throw(faults, kind, *about) < rate


def delay_s(faults: Faults, *about: object) -> float:
    return throw(faults, "length", *about) * faults.delay_ms_max / 1000


class RequestDice:
    """Which fault befalls a request? Repeats are counted, so that a retry gets its own luck."""

    def __init__(self) -> None:
        self._faults = Faults()
        self._active = False
        self._seen: Counter[str] = Counter()

    def fault(self, faults: Faults, *about: object) -> tuple[RequestFault | None, float]:
        """The fault, if any, and how long an answer that is late takes in seconds."""
        if faults is not self._faults:
            self._faults, self._seen = faults, Counter()
            self._active = any(getattr(faults.rates, kind.value) for kind in RequestFault)
        if not self._active:
            return None, 0.0
        key = repr(about)
        self._seen[key] += 1
        attempt = self._seen[key]
        for kind in RequestFault:
            if befalls(faults, kind.value, key, attempt):
                return kind, delay_s(faults, kind.value, key, attempt)
        return None, 0.0
