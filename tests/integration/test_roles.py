"""Who may ask for what? One test for each operation and role, made from the OpenAPI document.

What each role allows is said by `domain.permissions`; what each operation wants, by the document of the
running API. Whoever may gets past the door, whatever comes of it then; whoever may not gets 401 or 403.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import APIRouter, FastAPI

from domain.permissions import PLATFORM, at_merchant, on_platform, permissions_of
from eventstore.seams import WallClock
from services.access.oidc_routes import make_router
from services.api import create_app
from services.embedded import NatsServer, PostgresServer
from services.web.access import RouteWithoutRule, install_rules, public, requires, routes_of, rule_of
from tests.integration.api_client import in_memory
from tests.integration.projections_trade import setting_up
from tests.integration.walls import Operation, World, fresh_database, operations_of, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLIC = {
    "get_health": "whoever watches must see whether it is there",
    "get_root": "the way in, which says nothing",
    "sign_in": "here one says who one is",
    "refresh_session": "the refresh token says who one is",
    "get_jwks": "public keys",
    "request_password_reset": "who forgot the password can't sign in",
    "confirm_password_reset": "the token says who one is",
    "list_oidc_providers": "names of providers: the page for signing in shows them",
    "start_oidc": "who signs in is not known yet",
    "finish_oidc": "the code, the state and the cookie say who it is",
} | dict.fromkeys(
    (
        "start_cart_as_guest",
        "get_cart_as_guest",
        "add_cart_item_as_guest",
        "change_cart_quantity_as_guest",
        "set_cart_contact_as_guest",
        "choose_cart_shipping_as_guest",
        "give_cart_payment_method_as_guest",
        "complete_cart_as_guest",
    ),
    "who is not signed in may shop, where the merchant lets guests in; the cart's token opens it",
)
PUBLIC |= dict.fromkeys(
    ("get_shop_as_guest", "search_shop_as_guest", "get_shop_product_as_guest"),
    "who is not signed in may look around, where the merchant lets guests in: what is shown is published",
)
PUBLIC["look_up_order"] = "who bought as a guest has no account: number and e-mail address say who it is"
"""What anybody may ask for, and why. Whoever adds to it must have a reason that a reviewer accepts."""
RULES = {
    ("allocations:read", "merchant"): "get_allocation list_allocations",
    ("audit:read", "merchant"): (
        "add_cosignature get_checkpoint get_seal get_seal_key get_tile prove_consistency prove_inclusion"
        " list_erasures why_event why_number why_order why_payment why_shipment why_stock"
    ),
    ("audit:read", "platform"): "why_number_of_platform",
    ("audit:read", "reach"): (
        "export_audit_events follow_audit_events get_process_state get_stream_state list_audit_events"
        " list_process_changes list_row_changes list_rows_as_of list_stream_changes"
    ),
    ("carriers:read", "merchant"): (
        "get_carrier_rule list_carrier_invoices list_carrier_reliability list_carriers"
        " list_invoice_discrepancies list_rate_cards quote_parcel"
    ),
    ("carriers:write", "merchant"): (
        "add_carrier import_carrier_invoice publish_rate_card resolve_invoice_discrepancy resume_carrier"
        " set_carrier_rule set_tracking_link suspend_carrier"
    ),
    ("carts:read", "merchant"): "list_carts list_carts_by_day",
    ("carts:write", "merchant"): (
        "start_cart get_cart add_cart_item change_cart_quantity set_cart_contact choose_cart_shipping"
        " give_cart_payment_method complete_cart assign_cart merge_cart"
    ),
    ("catalogue:read", "merchant"): (
        "export_catalogue get_failed_rows get_import get_product list_categories list_price_history"
        " list_product_prices list_products search_products"
    ),
    ("catalogue:write", "merchant"): (
        "activate_product add_variant archive_product describe_product describe_variant draft_product"
        " import_catalogue import_product publish_product remove_variant restore_product retry_import"
        " set_price translate_category unpublish_product withdraw_price"
    ),
    ("checkouts:read", "platform"): "list_checkouts",
    ("deliveries:read", "merchant"): "list_late_deliveries",
    ("keys:read", "merchant"): "list_api_keys",
    ("keys:read", "platform"): "list_platform_keys",
    ("keys:write", "merchant"): "issue_api_key revoke_api_key",
    ("keys:write", "platform"): "issue_platform_key revoke_platform_key",
    ("looks:read", "merchant"): "list_looks",
    ("looks:read", "platform"): "list_all_looks",
    ("members:read", "merchant"): "list_users",
    ("members:write", "merchant"): "grant_role invite_user revoke_role",
    ("merchant:read", "merchant"): "get_merchant get_storefront",
    ("merchant:write", "merchant"): "set_merchant_terms set_merchant_time_zone set_storefront",
    ("merchants:write", "merchant"): "register_merchant",
    ("orders:fulfil", "merchant"): "get_label start_preparation",
    ("orders:manage", "merchant"): (
        "add_order_note confirm_order_change decline_order_change export_orders hold_order list_order_changes"
        " list_order_discrepancies propose_order_change release_order resolve_order_discrepancy tag_order"
        " untag_order"
    ),
    ("orders:read", "merchant"): "count_orders list_account_orders get_order list_orders",
    ("orders:write", "merchant"): "cancel_order cancel_order_lines place_order",
    ("password:write", "self"): "change_password",
    ("payments:read", "merchant"): "get_payment list_disputes list_payment_discrepancies list_payments",
    ("payments:write", "merchant"): "add_payment capture_payment refund_payment resolve_discrepancy"
    " submit_evidence void_payment",
    ("methods:read", "merchant"): "list_payment_methods",
    ("methods:write", "merchant"): "remove_payment_method store_payment_method",
    ("picking:read", "merchant"): "get_pick_list list_pick_lists",
    ("picking:write", "merchant"): (
        "cancel_pick_list hand_over_pick_list pack_order pick_units release_pick_list short_pick"
        " stage_pick_list start_picking"
    ),
    ("sales:read", "merchant"): (
        "get_kpis get_product_performance list_sales_by_category list_sales_by_day list_sales_by_product"
        " list_top_products"
    ),
    ("second-factor:write", "self"): "begin_second_factor confirm_second_factor remove_second_factor",
    ("self:read", "self"): "get_me",
    ("session:end", "self"): "end_session sign_out sign_out_everywhere",
    ("session:read", "self"): "list_sessions",
    ("shipments:read", "merchant"): "get_shipment list_manifests list_shipments",
    ("shipments:write", "merchant"): (
        "close_manifest hand_over_manifest rebook_shipment split_parcel void_label"
    ),
    ("shop:read", "merchant"): "get_shop get_shop_product search_shop",
    ("stock:read", "merchant"): (
        "get_purchase_order get_stocktake get_transfer list_backorders list_low_stock list_purchase_orders"
        " list_running_out list_stock list_stock_holds list_stock_movements list_stocktakes list_transfers"
    ),
    ("stock:write", "merchant"): (
        "adjust_stock cancel_backorder cancel_purchase_order cancel_stocktake cancel_transfer"
        " close_purchase_order finish_stocktake move_stock place_purchase_order plan_transfer"
        " receive_purchase receive_stock receive_transfer record_count resolve_purchase_discrepancy"
        " resolve_transfer_discrepancy set_stock_rules ship_transfer start_stocktake write_off_stock"
    ),
    ("subjects:erase", "merchant"): "erase_subject",
    ("system:read", "platform"): "list_parked_events list_parked_keys list_projections",
    ("system:write", "platform"): "retry_parked_key skip_parked_event",
    ("users:read", "platform"): "list_platform_users",
    ("users:write", "platform"): (
        "disable_user enable_user grant_platform_role invite_platform_user revoke_platform_role unlock_user"
    ),
    (
        "warehouses:read",
        "merchant",
    ): "get_allocation_rules get_warehouse list_allocation_rules list_warehouses",
    ("warehouses:write", "merchant"): (
        "change_warehouse close_warehouse open_warehouse register_warehouse restore_allocation_rules"
        " set_allocation_rules"
    ),
}
"""What each operation wants, as it was thought over: the document alone would agree with a wrong rule."""
NOT_OURS = {"/openapi.json", "/docs", "/docs/oauth2-redirect"}
"""Routes of the framework: the document of the API, which is no secret, and pages that show it."""
IDS = {
    "size": "1",
    "path": "none",
    "order_id": "none",
    "hold_id": "none",
    "tag": "none",
    "change_set_id": "none",
    "shipment_id": "none",
    "carrier": "none",
    "manifest_id": "none",
    "invoice_id": "none",
    "line": "1",
    "sku": "none",
    "product_id": "none",
    "import_id": "00000000-0000-0000-0000-000000000000",
    "category": "none",
    "cart_id": "none",
    "provider": "none",
    "purchase_id": "none",
    "transfer_id": "none",
    "stocktake_id": "none",
    "pick_list_id": "none",
    "version": "1",
} | dict.fromkeys(("payment_id", "dispute_id", "kind", "method_id", "warehouse", "event", "table"), "none")
HEX_ID = "0" * 32
ROLES = (
    "admin",
    "owner",
    "staff without it",
    "staff with just it",
    "customer",
    "auditor of the merchant",
    "auditor of the platform",
    "operator",
    "owner of another merchant",
    "key with just it",
    "key with another",
    "key of another merchant",
    "platform key with just it",
    "platform key with another",
    "nobody",
)


async def _signed_in(*_: object) -> None:
    raise NotImplementedError


def the_app() -> FastAPI:
    """As it runs, over nothing: for its document."""
    oidc = make_router({}, bytes(32), _signed_in, clock=WallClock())  # type: ignore[arg-type]
    return create_app(in_memory(), further=(oidc,))


OPERATIONS = operations_of(the_app().openapi())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(
    postgres_server: PostgresServer,
    migrated_template: str,
    nats_server: NatsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    directory: Path = tmp_path_factory.mktemp("roles")
    with fresh_database(postgres_server, migrated_template) as database:
        async with world(database, nats_server.url, directory) as opened:
            await opened.append("m2", setting_up("m2"))
            last = await opened.append("m1", setting_up("m1"))
            await opened.shown(await opened.key(PLATFORM), last)
            yield opened


def another(permission: str, possible: Iterable[str]) -> str:
    return (
        "catalogue:read" if permission != "catalogue:read" and "catalogue:read" in possible else "stock:read"
    )


def allowed_by(role: str, operation: Operation) -> tuple[frozenset[str], bool]:
    """What the role allows at m1, and whether it is held on the platform."""
    wanted = operation.permission
    just = frozenset({wanted})
    return {
        "admin": (permissions_of("admin", PLATFORM), True),
        "owner": (permissions_of("owner", "m1"), False),
        "staff without it": (permissions_of("staff", "m1", at_merchant() - just), False),
        "staff with just it": (permissions_of("staff", "m1", just), False),
        "customer": (permissions_of("customer", "m1"), False),
        "auditor of the merchant": (permissions_of("auditor", "m1"), False),
        "auditor of the platform": (permissions_of("auditor", PLATFORM), True),
        "operator": (permissions_of("operator", PLATFORM), True),
        "owner of another merchant": (frozenset[str](), False),
        "key with just it": (just & at_merchant(), False),
        "key with another": (frozenset({another(wanted, at_merchant())}), False),
        "key of another merchant": (frozenset[str](), False),
        "platform key with just it": (just & on_platform(), True),
        "platform key with another": (frozenset({another(wanted, on_platform())}), True),
        "nobody": (frozenset[str](), False),
    }[role]


def may(role: str, operation: Operation) -> bool:
    """As the permissions say."""
    allowed, everywhere = allowed_by(role, operation)
    match operation.scope:
        case "public":
            return True
        case "self":
            # a key has neither password nor sessions: all that it may is to ask who it is
            return role != "nobody" and ("key" not in role or operation.permission == "self:read")
        case "platform":
            return everywhere and operation.permission in allowed
        case _:
            return operation.permission in allowed


async def secret_of(found: World, role: str, operation: Operation) -> str:  # noqa: C901 - a case a role
    """A way in for such a one. Where nobody can hold just that permission, it holds another."""
    wanted = operation.permission
    of_merchant = wanted if wanted in at_merchant() else another(wanted, at_merchant())
    of_platform = wanted if wanted in on_platform() else another(wanted, on_platform())
    match role:
        case "nobody":
            return ""
        case "admin" | "operator":
            return await found.signed_in(role, PLATFORM)
        case "staff without it":
            return await found.signed_in("staff", "m1", *(at_merchant() - {wanted}))
        case "staff with just it":
            return await found.signed_in("staff", "m1", of_merchant)
        case "customer":
            return await found.signed_in("customer", "m1", subject="subject-p1")
        case "auditor of the platform":
            return await found.signed_in("auditor", PLATFORM)
        case "owner of another merchant":
            return await found.signed_in("owner", "m2")
        case "key with just it":
            return await found.key("m1", of_merchant)
        case "key with another":
            return await found.key("m1", another(wanted, at_merchant()))
        case "key of another merchant":
            return await found.key("m2")
        case "platform key with just it":
            return await found.key(PLATFORM, of_platform)
        case "platform key with another":
            return await found.key(PLATFORM, another(wanted, on_platform()))
        case _:
            return await found.signed_in(role.partition(" ")[0], "m1")


async def status_for(found: World, role: str, operation: Operation) -> int:
    """What such a one gets at merchant m1."""
    secret = await secret_of(found, role, operation)
    path = operation.at(**IDS, user_id=HEX_ID, key_id=HEX_ID, session_id=HEX_ID)
    body = {} if operation.has_body else None
    merchant = "m1" if operation.scope in ("merchant", "reach") else ""
    answer = await found.ask(operation.method, path, secret, merchant, body)
    assert answer.status_code < 500, answer.text
    return answer.status_code


async def check_role(found: World, role: str, operation: Operation) -> None:
    """Whoever may is let in, and nobody else; who is not known is told so."""
    status = await status_for(found, role, operation)
    if may(role, operation):
        assert status not in (401, 403), f"{role} may not: {operation.method} {operation.path}"
    else:
        refused = 401 if role == "nobody" else 403
        assert status == refused, f"{role} may: {operation.method} {operation.path} ({status})"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
@pytest.mark.parametrize("role", ROLES)
async def test_who_may_and_who_may_not(found: World, role: str, operation: Operation) -> None:
    await check_role(found, role, operation)


async def test_the_running_api_has_just_these_operations(found: World) -> None:
    document = (await found.ask("GET", "/openapi.json")).json()
    assert operations_of(document) == OPERATIONS
    assert len({each.id for each in OPERATIONS}) == len(OPERATIONS) > 50


def check_rules_shown(app: FastAPI) -> None:
    """Each operation shows the rule that it should have; what is open to anybody is in the golden list."""
    shown = operations_of(app.openapi())
    assert {each.id for each in shown if each.scope == "public"} == PUBLIC.keys()
    wanted = {name: rule for rule, names in RULES.items() for name in names.split()}
    assert {each.id: (each.permission, each.scope) for each in shown if each.scope != "public"} == wanted
    for permission, scope in RULES:
        known = on_platform() if scope != "self" else {permission}
        assert permission in known, f"nobody can hold {permission}"


async def test_the_document_shows_each_rule() -> None:
    check_rules_shown(the_app())
    for path in the_app().openapi()["paths"].values():
        for operation in path.values():
            assert bool(operation["security"]) == (operation["x-scope"] != "public")


async def test_what_is_public_is_so_for_a_reason() -> None:
    reasons = {
        route.original_route.operation_id: rule.reason
        for route in routes_of(the_app())
        if (rule := rule_of(route)) and rule.scope == "public"
    }
    assert reasons == PUBLIC


async def test_no_door_stands_beside_the_document() -> None:
    """Routes that are none of ours, mounts and web sockets are in no document, and have no rule."""
    app = the_app()
    plain = {getattr(route, "path", "") for route in app.routes if type(route).__name__ != "_IncludedRouter"}
    assert plain == NOT_OURS
    hidden = [route.path for route in routes_of(app) if not route.original_route.include_in_schema]
    assert hidden == []


@pytest.mark.parametrize("rule", [[], [requires("stock:read")], [public("a test")]])
async def test_a_route_without_a_rule_keeps_the_api_from_starting(rule: list[object]) -> None:
    further = APIRouter()
    further.get("/v1/new", operation_id="new", dependencies=rule)(_signed_in)  # type: ignore[arg-type]
    if rule:
        assert create_app(in_memory(), further=(further,)).openapi()["paths"]["/v1/new"]
        return
    with pytest.raises(RouteWithoutRule, match="/v1/new"):
        create_app(in_memory(), further=(further,))
    app = FastAPI()
    app.include_router(further)
    with pytest.raises(RouteWithoutRule):
        install_rules(app)
