"""What does a provider, a person or a bystander who breaks the rules get? A clear refusal, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from aiohttp import web
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs
from yarl import URL

from services.access.oidc import Begun, Client, OidcProvider, OidcRefused
from services.access.oidc_http import ANSWER_BYTES_MAX, open_oidc_http
from services.access.oidc_pending import VALID_S, PendingSeal
from services.access.oidc_refreshed import AGE_S_MAX, REST_S_FAILED, REST_S_FORCED
from services.access.oidc_token import allowed_algorithms
from tests.integration.api_client import problem
from tests.integration.oidc_browser import HandClock, Site, come_back, site_of, start
from tests.integration.oidc_liar import (
    ACCESS_TOKEN,
    CLIENT_ID,
    Liar,
    a_key,
    liar_running,
    signed_with_the_public_key,
    unsigned,
    with_its_own_key,
)

DISCOVERY = "/.well-known/openid-configuration"
MARKER = "MARKER"
"""Stands in all that must not come out."""


class World:
    """Two providers, the site that trusts them, and two browsers."""

    def __init__(self, site: Site, liar: Liar, other: Liar, clock: HandClock) -> None:
        self.site, self.liar, self.other, self.clock = site, liar, other, clock
        self.ana, self.eve = site.browser(), site.browser()

    async def sign_in(self, change: Callable[[dict[str, str]], Any] | None = None) -> httpx.Response:
        """Ana, from the beginning to the end; `change` what she comes back with."""
        parameters = self.liar.authorize(await start(self.ana, "liar"))
        if change is not None:
            change(parameters)
        return await come_back(self.ana, "liar", parameters)

    async def refused(self, reason: str, change: Callable[[dict[str, str]], Any] | None = None) -> None:
        self.check(await self.sign_in(change), reason)

    def check(self, answer: httpx.Response, reason: str) -> None:
        """It was refused for this reason; nothing leaked, and nobody was signed in."""
        document = problem(answer, 400, "sign-in-refused")
        assert document["reason"] == reason
        assert MARKER not in answer.text
        assert self.liar.url not in answer.text
        assert not self.site.identities


PATIENT_S, HASTY_S = 30.0, 0.3


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The parameter, if there is one, is how long a provider may take."""
    clock = HandClock()
    async with (
        liar_running(clock) as liar,
        liar_running(clock) as other,
        open_oidc_http(getattr(request, "param", PATIENT_S)) as http,
    ):
        providers = {
            name: OidcProvider(
                Client(each.url, CLIENT_ID, "client-secret-MARKER", trust_email=True),
                http,
                clock,
                clock.seconds,
            )
            for name, each in (("liar", liar), ("other", other))
        }
        world = World(site_of(providers, clock), liar, other, clock)
        with capture_logs() as logs:
            yield world
        assert MARKER not in str(logs)
        await world.ana.aclose()
        await world.eve.aclose()


async def test_who_keeps_the_rules_is_signed_in(world: World) -> None:
    answer = await world.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    assert [each.subject for each in world.site.identities] == ["u1"]
    assert "client_secret" not in world.liar.forms[0]  # it went in the header


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": "\ud800"}, "nonce"),
        ({"nonce": 7}, "nonce"),
        ({"aud": "another"}, "claims"),
        ({"aud": None}, "claims"),
        ({"aud": ["another"]}, "claims"),
        ({"aud": [CLIENT_ID, "another"]}, "audience"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "audience"),
        ({"azp": "another"}, "audience"),
        ({"iss": "https://evil.example"}, "claims"),
        ({"iss": None}, "claims"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": "u" * 256}, "claims"),
        ({"sub": {"u": 1}}, "claims"),
        ({"exp": None}, "claims"),
        ({"exp": "soon"}, "claims"),
        ({"exp": float("nan")}, "claims"),
        ({"iat": None}, "claims"),
        ({"nbf": 10**12}, "claims"),
        ({"at_hash": "MARKER"}, "at-hash"),
        ({"at_hash": 7}, "at-hash"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    world: World, claims: dict[str, Any], reason: str
) -> None:
    world.liar.claims = claims
    await world.refused(reason)


@pytest.mark.parametrize(
    ("offset", "signed"),
    [({"exp": -61}, False), ({"exp": -59}, True), ({"iat": 61}, False), ({"iat": 59}, True)],
)
async def test_clocks_may_differ_by_a_minute(world: World, offset: dict[str, int], signed: bool) -> None:
    now = int(world.clock.seconds())
    world.liar.claims = {name: now + seconds for name, seconds in offset.items()}
    answer = await world.sign_in()
    assert (answer.status_code == 303) is signed
    if not signed:
        world.check(answer, "expired" if "exp" in offset else "claims")


@pytest.mark.parametrize("make_token", [unsigned, signed_with_the_public_key, with_its_own_key])
async def test_a_token_that_anybody_could_make_is_refused(world: World, make_token: Any) -> None:
    world.liar.make_token = make_token
    await world.refused("signature")


@pytest.mark.parametrize("token", ["", "MARKER", "a.b.c", "ä", "x" * 20_000, 7, None, ["MARKER"]])
async def test_what_is_no_token_is_refused(world: World, token: Any) -> None:
    body = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": token}
    world.liar.answers["/token"] = lambda: web.json_response(body)
    answer = await world.sign_in()
    world.check(answer, "signature" if token in ("MARKER", "a.b.c") else "malformed")


def test_an_empty_list_of_algorithms_does_not_mean_any() -> None:
    with pytest.raises(OidcRefused, match="no algorithm"):
        allowed_algorithms(["none", "HS256", 7])
    assert allowed_algorithms(["none", "HS256", "ES256"]) == {"ES256"}
    assert allowed_algorithms(None) == {"RS256"}


async def test_an_algorithm_that_discovery_does_not_name_is_refused(world: World) -> None:
    world.liar.algorithm = "RS512"
    await world.refused("signature")


async def test_a_key_that_is_new_is_fetched(world: World) -> None:
    await world.sign_in()
    world.liar.signing_key = a_key(1)
    world.liar.shown_keys = [world.liar.signing_key]
    assert (await world.sign_in()).status_code == 303
    assert world.liar.asked_for("/keys") == 2


async def test_a_key_that_was_withdrawn_is_believed_for_an_hour_at_most(world: World) -> None:
    await world.sign_in()
    world.liar.shown_keys = [a_key(1)]
    world.clock.pass_by(AGE_S_MAX)
    world.site.identities.clear()
    await world.refused("key")


async def test_made_up_keys_do_not_make_us_hammer_the_provider(world: World) -> None:
    shown = world.liar.signing_key
    world.liar.shown_keys = [shown]
    for number in range(1, 6):
        world.liar.signing_key = a_key(number)
        await world.refused("key")
    assert world.liar.asked_for("/keys") == 2  # at first, and once because of the unknown key
    world.clock.pass_by(REST_S_FORCED)
    await world.refused("key")
    assert world.liar.asked_for("/keys") == 3
    world.liar.signing_key = shown
    assert (await world.sign_in()).status_code == 303


async def test_many_at_once_fetch_once(world: World) -> None:
    async def come(browser: httpx.AsyncClient) -> int:
        async with browser:
            return (
                await come_back(browser, "liar", world.liar.authorize(await start(browser, "liar")))
            ).status_code

    assert set(await asyncio.gather(*(come(world.site.browser()) for _ in range(20)))) == {303}
    assert (world.liar.asked_for("/keys"), world.liar.asked_for(DISCOVERY)) == (1, 1)


async def test_keys_that_can_not_sign_are_passed_over(world: World) -> None:
    good = world.liar.signing_key.as_dict(private=False)
    odd = [
        7,
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": good["kid"]},
        {"kty": "RSA", "kid": "x"},
        {"kty": "??"},
    ]
    world.liar.answers["/keys"] = lambda: web.json_response({"keys": [*odd, good]})
    assert (await world.sign_in()).status_code == 303


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_a_short_key_is_not_believed(world: World) -> None:
    world.liar.signing_key = RSAKey.generate_key(1024, auto_kid=True)
    world.liar.shown_keys = [world.liar.signing_key]
    await world.refused("key")


async def test_an_answer_to_another_sign_in_is_refused_and_harms_nothing(world: World) -> None:
    url = await start(world.ana, "liar")
    for parameters in ({"code": "MARKER", "state": "MARKER"}, {"code": "MARKER"}, {"error": "access_denied"}):
        world.check(await come_back(world.ana, "liar", parameters), "state")
    assert (await come_back(world.ana, "liar", world.liar.authorize(url))).status_code == 303


async def test_an_answer_is_good_once(world: World) -> None:
    parameters = world.liar.authorize(await start(world.ana, "liar"))
    cookies = dict(world.ana.cookies)
    assert (await come_back(world.ana, "liar", parameters)).status_code == 303
    world.site.identities.clear()
    world.check(await come_back(world.ana, "liar", parameters), "no-sign-in")
    asked = world.liar.asked_for("/token")
    world.eve.cookies.update(cookies)  # a copy of the cookie does not make it good again
    world.check(await come_back(world.eve, "liar", parameters), "no-sign-in")
    assert world.liar.asked_for("/token") == asked


async def test_a_sign_in_that_failed_is_over_too(world: World) -> None:
    world.liar.claims = {"nonce": "another"}
    await world.refused("nonce")
    assert not world.ana.cookies


async def test_a_sign_in_waits_ten_minutes(world: World) -> None:
    parameters = world.liar.authorize(await start(world.ana, "liar"))
    world.clock.pass_by(VALID_S)
    world.check(await come_back(world.ana, "liar", parameters), "no-sign-in")


async def test_the_answer_of_one_browser_is_nothing_in_another(world: World) -> None:
    parameters = world.liar.authorize(await start(world.eve, "liar"))
    world.check(await come_back(world.ana, "liar", parameters), "no-sign-in")
    await start(world.ana, "liar")
    world.check(await come_back(world.ana, "liar", parameters), "state")


@pytest.mark.parametrize(("checks_pkce", "reason"), [(True, "provider-refused"), (False, "nonce")])
async def test_an_injected_code_is_refused_by_pkce_and_by_the_nonce(
    world: World, checks_pkce: bool, reason: str
) -> None:
    world.liar.checks_pkce = checks_pkce
    stolen = world.liar.authorize(await start(world.ana, "liar"))["code"]
    mine = world.liar.authorize(await start(world.eve, "liar"))
    world.check(await come_back(world.eve, "liar", mine | {"code": stolen}), reason)


async def test_one_provider_can_not_answer_for_another(world: World) -> None:
    # a cookie of one provider is nothing at the other's address
    parameters = world.liar.authorize(await start(world.ana, "liar"))
    world.check(await come_back(world.ana, "other", parameters), "no-sign-in")
    cookie = world.ana.cookies["tillroll-oidc-liar"]
    world.ana.cookies.set("tillroll-oidc-other", cookie)
    world.check(await come_back(world.ana, "other", parameters), "no-sign-in")
    # and who says whose answer it is must be whom we asked
    await world.refused("issuer", lambda sent: sent.update(iss=world.other.url))
    world.liar.metadata = {"authorization_response_iss_parameter_supported": True}
    world.clock.pass_by(AGE_S_MAX)
    await world.refused("issuer")
    assert (await world.sign_in(lambda sent: sent.update(iss=world.liar.url))).status_code == 303
    assert world.other.forms == []


async def test_what_is_said_twice_is_refused(world: World) -> None:
    parameters = world.liar.authorize(await start(world.ana, "liar"))
    twice = [*parameters.items(), ("code", "MARKER")]
    world.check(await world.ana.get("/v1/auth/oidc/liar/callback", params=twice), "malformed")


async def test_an_error_is_named_only_if_it_is_a_known_one(world: World) -> None:
    url = await start(world.ana, "liar")
    parameters = {"error": "<b>MARKER</b>", "state": str(URL(url).query["state"])}
    world.check(await come_back(world.ana, "liar", parameters), "provider-refused")


@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/keys", "/userinfo"])
async def test_what_is_too_large_is_not_read(world: World, path: str) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while sent < 64 * ANSWER_BYTES_MAX:
            await response.write(b" " * 16384)
            sent += 16384
        return response

    world.liar.claims = {"email": None}
    world.liar.answers[path] = lambda: endless
    answer = await world.ana.get("/v1/auth/oidc/liar/start") if path == DISCOVERY else await world.sign_in()
    world.check(answer, "oversized")
    assert sent < 64 * ANSWER_BYTES_MAX


@pytest.mark.parametrize("world", [HASTY_S], indirect=True)
@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/keys", "/userinfo"])
async def test_who_is_slow_is_not_waited_for(world: World, path: str) -> None:
    async def trickling(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    world.liar.claims = {"email": None}
    world.liar.answers[path] = lambda: trickling
    answer = await world.ana.get("/v1/auth/oidc/liar/start") if path == DISCOVERY else await world.sign_in()
    document = problem(answer, 503, "sign-in-unavailable")
    assert document["reason"] == "unreachable"
    assert int(answer.headers["retry-after"]) >= 1
    assert not world.site.identities


@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/keys", "/userinfo"])
async def test_redirects_are_not_followed(world: World, path: str) -> None:
    def elsewhere() -> web.Response:
        return web.Response(status=307, headers={"Location": f"{world.other.url}{path}"})

    world.liar.claims = {"email": None}
    world.liar.answers[path] = elsewhere
    answer = await world.ana.get("/v1/auth/oidc/liar/start") if path == DISCOVERY else await world.sign_in()
    world.check(answer, "redirected")
    assert world.other.asked == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://[::1"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://user:MARKER@evil.example/"},
        {"userinfo_endpoint": 7},
    ],
)
async def test_a_discovery_document_of_somebody_else_is_refused(
    world: World, metadata: dict[str, Any]
) -> None:
    world.liar.metadata = metadata
    world.check(await world.ana.get("/v1/auth/oidc/liar/start"), "discovery")


async def test_a_provider_that_fails_is_left_alone_for_a_moment(world: World) -> None:
    world.liar.answers[DISCOVERY] = lambda: web.Response(status=500, text="MARKER")
    for _ in range(5):
        problem(await world.ana.get("/v1/auth/oidc/liar/start"), 503, "sign-in-unavailable")
    assert world.liar.asked_for(DISCOVERY) == 1
    del world.liar.answers[DISCOVERY]
    world.clock.pass_by(REST_S_FAILED)
    assert (await world.sign_in()).status_code == 303


async def test_userinfo_is_asked_for_the_address_only_if_it_is_the_same_person(world: World) -> None:
    world.liar.claims = {"email": None, "email_verified": None}
    world.liar.userinfo = {"email": "ana@example.com", "email_verified": "true", "iss": "MARKER"}
    assert (await world.sign_in()).status_code == 303
    (identity,) = world.site.identities
    assert (identity.email, identity.email_verified, identity.issuer) == (
        "ana@example.com",
        True,
        world.liar.url,
    )
    world.site.identities.clear()
    world.liar.userinfo["sub"] = "MARKER"
    await world.refused("userinfo")


@pytest.mark.parametrize(
    "return_to",
    [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "docs",
        "",
        "javascript:alert(1)",
        "/" + "a" * 500,
    ],
)
async def test_who_comes_back_stays_on_this_host(world: World, return_to: str) -> None:
    answer = await world.ana.get("/v1/auth/oidc/liar/start", params={"return_to": return_to})
    problem(answer, 422, "invalid-input")
    assert "set-cookie" not in answer.headers


async def test_a_host_that_the_request_makes_up_is_not_believed(world: World) -> None:
    answer = await world.ana.get("/v1/auth/oidc/liar/start", headers={"Host": "evil.example"})
    problem(answer, 400, "public-url-unknown")


async def test_behind_https_the_cookie_is_for_this_host_alone(world: World) -> None:
    async with open_oidc_http() as http:
        provider = OidcProvider(Client(world.liar.url, CLIENT_ID), http, world.clock)
        site = site_of({"liar": provider}, world.clock, "https://shop.example/")
        async with site.browser() as browser:
            answer = await browser.get("/v1/auth/oidc/liar/start")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-tillroll-oidc-liar=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
    back = URL(answer.headers["location"]).query["redirect_uri"]
    assert back == "https://shop.example/v1/auth/oidc/liar/callback"


async def test_the_provider_itself_takes_no_answer_to_another_sign_in(world: World) -> None:
    async with open_oidc_http() as http:
        provider = OidcProvider(Client(world.liar.url, CLIENT_ID), http, world.clock)
        begun = await provider.begin("https://us.example/back")
        for state in ({}, {"state": ""}, {"state": "another"}):
            with pytest.raises(OidcRefused, match="belongs to another sign-in"):
                await provider.finish(begun, "https://us.example/back", {"code": "c", **state})
    assert world.liar.asked_for("/token") == 0


async def test_an_unknown_provider_is_not_found(world: World) -> None:
    problem(await world.ana.get("/v1/auth/oidc/nobody/start"), 404, "not-found")
    assert (await world.ana.get("/v1/auth/oidc")).json() == {"providers": ["liar", "other"]}


@pytest.mark.parametrize(
    "issuer", ["http://company.example", "https://a:b@company.example", "ftp://127.0.0.1", "company", ""]
)
async def test_an_issuer_in_the_clear_is_not_set_up(issuer: str) -> None:
    async with open_oidc_http() as http:
        with pytest.raises(ValueError, match="an issuer is an https address"):
            OidcProvider(Client(issuer, CLIENT_ID), http, HandClock())


def test_a_sealed_sign_in_opens_for_its_provider_and_its_secret_alone() -> None:
    clock = HandClock()
    seal = PendingSeal(b"a" * 32, clock)
    sealed = seal.seal("liar", "https://us/back", "/", Begun("", "s", "n", "v"))
    assert seal.open("liar", sealed) is not None
    assert seal.open("other", sealed) is None
    assert PendingSeal(b"b" * 32, clock).open("liar", sealed) is None
    for broken in ("", "x", sealed[:-4], sealed + "A" * 4_000, "ä"):
        assert seal.open("liar", broken) is None
