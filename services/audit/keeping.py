"""What speaks against erasing a person? Rules, by name; one that is not of the law can be overruled.

A legal document would be kept by a rule of its own here (`binding`, with the law in `why`). Today Tillroll
makes none: invoices are written elsewhere, and amounts, times and the region, which stay in the log, are not
personal. So no rule of the law exists yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from domain.kernel import Refused


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a data subject at the merchant that asks; of its orders at most 10,000 are counted.

    `orders` counts those of the subject, `open_orders` those of them that are neither completed nor
    cancelled, `plain_rows` those that show the person in plain text.
    """

    merchant: str = ""
    orders: int = 0
    open_orders: int = 0
    plain_rows: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """`keeps` tells why, of what is found, the person must stay, or ''. A `binding` one is not overruled."""

    name: str
    why: str
    keeps: Callable[[Found], str]
    binding: bool = False


def _open_orders(found: Found) -> str:
    return f"{found.open_orders} of its orders are under way" if found.open_orders else ""


ORDERS_ARE_OVER = Rule(
    "orders_are_over", "a parcel that is not booked yet would be sent without an address", _open_orders
)
RULES: tuple[Rule, ...] = (ORDERS_ARE_OVER,)


def speaking_against(found: Found, rules: Iterable[Rule] = RULES) -> dict[str, str]:
    """The rules that would keep the person, each with what it says."""
    return {rule.name: said for rule in rules if (said := rule.keeps(found))}


def check_names(despite: Collection[str], rules: Iterable[Rule] = RULES) -> None:
    """Raises Refused by `rule_exists` for a name that is no rule's; also where nothing would be erased."""
    known = [rule.name for rule in rules]
    if unknown := sorted(set(despite).difference(known)):
        raise Refused("rule_exists", f"there is no rule {unknown[0]}; there are: {', '.join(known)}")


def check(found: Found, despite: Collection[str], rules: tuple[Rule, ...] = RULES) -> tuple[str, ...]:
    """The names in `despite` that did speak against it. Raises Refused by the first rule that still does,
    and for a name that is none's."""
    check_names(despite, rules)
    known = {rule.name: rule for rule in rules}
    against = speaking_against(found, rules)
    for name, said in against.items():
        if known[name].binding or name not in despite:
            raise Refused(name, f"{said}; {_advice(known[name])}")
    return tuple(name for name in against if name in despite)


def _advice(rule: Rule) -> str:
    if rule.binding:
        return f"it is kept, since {rule.why}"
    return f"{rule.why}. Wait for them, or overrule it: --despite {rule.name} (over HTTP: `despite`)"
