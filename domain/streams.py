"""How streams are named: `category-part.part`, so that two things never share a stream.

The parts are percent-encoded where they hold a character that means something in a stream's name or in a
NATS subject (`.`, `*`, `>`, `-`, white space, `%`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from urllib.parse import unquote

_SPECIAL = re.compile(r"[^A-Za-z0-9_~]")


def encode_part(part: str) -> str:
    """Percent-encode one part of a stream's name; the empty part is refused with ValueError."""
    if not part:
        raise ValueError("a part of a stream's name must not be empty")
    if _SPECIAL.search(part) is None:
        return part
    return _SPECIAL.sub(lambda m: "".join(f"%{byte:02X}" for byte in m.group().encode()), part)


@lru_cache(maxsize=65536)
def stream_name(category: str, *parts: str) -> str:
    """`stream_name("stock", "m1", "A-1", "main")` is `stock-m1.A%2D1.main`."""
    return f"{category}-{'.'.join(encode_part(part) for part in parts)}"


def stream_parts(stream: str) -> tuple[str, ...]:
    """The decoded parts of a stream's name, without its category."""
    return tuple(unquote(part) for part in stream.partition("-")[2].split("."))


def order_stream(merchant: str, order_id: str) -> str:
    return stream_name("order", merchant, order_id)


def stock_stream(merchant: str, sku: str, warehouse: str) -> str:
    return stream_name("stock", merchant, sku, warehouse)


def purchase_stream(merchant: str, purchase_id: str) -> str:
    return stream_name("purchase", merchant, purchase_id)


def transfer_stream(merchant: str, transfer_id: str) -> str:
    return stream_name("transfer", merchant, transfer_id)


def stocktake_stream(merchant: str, stocktake_id: str) -> str:
    return stream_name("stocktake", merchant, stocktake_id)


def payment_stream(merchant: str, payment_id: str) -> str:
    return stream_name("payment", merchant, payment_id)


def payment_method_stream(merchant: str, method_id: str) -> str:
    return stream_name("paymentmethod", merchant, method_id)


def parcel_id(order_id: str, number: int) -> str:
    """Of an order's parcel, counted from 1. The first has the order's name; `o1.2` may be another order's."""
    return order_id if number == 1 else f"{order_id}.parcel-{number}"


def shipment_stream(merchant: str, shipment_id: str) -> str:
    return stream_name("shipment", merchant, shipment_id)


def carriers_stream(merchant: str) -> str:
    """Of all carriers of a merchant."""
    return stream_name("carrier", merchant)


def track_record_stream(merchant: str, carrier: str, service: str) -> str:
    return stream_name("trackrecord", merchant, carrier, service)


def manifest_stream(merchant: str, manifest_id: str) -> str:
    return stream_name("manifest", merchant, manifest_id)


def carrier_invoice_stream(merchant: str, carrier: str, invoice_id: str) -> str:
    return stream_name("carrierinvoice", merchant, carrier, invoice_id)


def merchant_stream(merchant: str) -> str:
    return stream_name("merchant", merchant)


def product_stream(merchant: str, sku: str) -> str:
    return stream_name("product", merchant, sku)


def category_stream(merchant: str, category: str) -> str:
    return stream_name("category", merchant, category)


def deadline_stream(merchant: str, agent: str, key: str, name: str) -> str:
    """By the hash of what was asked for: `key` is a stream's name itself, too long as a part of another."""
    asked = sha256(stream_name("deadline", agent, key, name).encode()).hexdigest()
    return stream_name("deadline", merchant, asked)


def user_stream(user_id: str) -> str:
    return stream_name("user", user_id)


def api_key_stream(key_id: str) -> str:
    return stream_name("apikey", key_id)


def mail_stream(mail_id: str) -> str:
    return stream_name("mail", mail_id)


def erasure_stream(subject: str) -> str:
    """That a data subject was erased."""
    return stream_name("erasure", subject)


def parked_stream(follower: str) -> str:
    """What was asked of the keys that a follower has parked."""
    return stream_name("parked", follower)


def cart_stream(merchant: str, cart_id: str) -> str:
    """By the merchant whose storefront it is, which may hold lines of others."""
    return stream_name("cart", merchant, cart_id)


def storefront_stream(merchant: str) -> str:
    return stream_name("storefront", merchant)


def warehouses_stream(merchant: str) -> str:
    """All of a merchant's warehouses, and the rules by which orders are allocated to them."""
    return stream_name("warehouses", merchant)


def pick_list_stream(merchant: str, pick_list_id: str) -> str:
    return stream_name("picklist", merchant, pick_list_id)


def allocation_stream(merchant: str, order_id: str) -> str:
    return stream_name("allocation", merchant, order_id)
