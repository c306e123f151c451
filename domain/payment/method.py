"""A payment method of a customer, stored or given while they pay: the provider's token, never the card.

The token and what is shown of it are sealed under the customer's key, so that erasing the person ends it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from domain.kernel import Command, Decider, Event, Refused, Value
from domain.payment.events import Id
from domain.personal import Erased, Personal, Sealed

STORED = "stored:"
"""Begins a payment's `method` that is a stored one; its id follows."""
_CARD_NUMBER = re.compile(r"[0-9](?:[ -]?[0-9]){11,18}")


class MethodToken(Value):
    """`token` is the provider's; brand, last four digits and expiry are what a customer knows it by.

    `return_url` is where the bank sends back a customer who pays now, once it has heard from them; where it
    is empty nobody is there who could act.
    """

    token: str
    brand: str = ""
    last4: str = ""
    expires: str = ""
    return_url: str = ""


class PaymentMethodStored(Event):
    schema_version: ClassVar[int] = 2
    method_id: Id
    subject: Id
    token: Personal[MethodToken]


class PaymentMethodRemoved(Event):
    method_id: Id


class StorePaymentMethod(Command):
    creates = True
    method_id: Id
    subject: Id
    token: Personal[MethodToken]


class RemovePaymentMethod(Command):
    method_id: Id


MethodEvent: TypeAlias = PaymentMethodStored | PaymentMethodRemoved
MethodCommand: TypeAlias = StorePaymentMethod | RemovePaymentMethod


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    subject: str = ""
    token: Sealed | MethodToken | Erased | None = None
    removed: bool = False


def stored_method(method: str) -> str:
    """The id of the stored payment method that a payment is to be charged to; empty for any other."""
    return method.removeprefix(STORED) if method.startswith(STORED) else ""


def is_card_number(text: str) -> bool:
    """Whether a token is a card's number after all: 12 to 19 digits whose check digit fits (ISO/IEC 7812)."""
    if not _CARD_NUMBER.fullmatch(text.strip()):
        return False
    digits = [int(each) for each in text if each.isdigit()][::-1]
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def decide(command: MethodCommand, method: PaymentMethod) -> tuple[MethodEvent, ...]:
    match command:
        case StorePaymentMethod() if method.subject:
            if method.subject != command.subject:
                raise Refused("method_id_unique", f"payment method {command.method_id} is somebody else's")
            if method.removed:
                raise Refused("method_removed", f"{command.method_id} was removed; store it under a new id")
            return ()
        case StorePaymentMethod(token=MethodToken(token=token)) if is_card_number(token):
            raise Refused(
                "token_only", "this is a card's number; store the token that the provider gave for it"
            )
        case StorePaymentMethod():
            return (
                PaymentMethodStored(**{name: getattr(command, name) for name in command.model_fields_set}),
            )
        case RemovePaymentMethod() if not method.subject:
            raise Refused("method_exists", f"there is no payment method {command.method_id}")
        case RemovePaymentMethod(method_id=method_id):
            return () if method.removed else (PaymentMethodRemoved(method_id=method_id),)


def evolve(method: PaymentMethod, event: MethodEvent) -> PaymentMethod:
    match event:
        case PaymentMethodStored(subject=subject, token=token):
            return PaymentMethod(subject, token)
        case PaymentMethodRemoved():
            return PaymentMethod(method.subject, None, removed=True)


PAYMENT_METHOD: Decider[MethodCommand, MethodEvent, PaymentMethod] = Decider(
    "paymentmethod",
    decide,
    evolve,
    PaymentMethod(),
    events=MethodEvent.__args__,
    commands=MethodCommand.__args__,
    parts=("merchant", "method_id"),
)
