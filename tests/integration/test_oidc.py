"""Does a person get in by a real provider of OpenID Connect, as with a browser?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import httpx
import pytest

from eventstore.seams import WallClock
from services.access.oidc import Client, Identity, OidcProvider, OidcRefused, open_oidc
from services.access.oidc_http import open_oidc_http
from services.listening import reserve_port
from services.settings import Settings
from tests.integration.api_client import listening, problem
from tests.integration.oidc_browser import Site, come_back, site_of, start
from tests.integration.processes import POLL_INTERVAL_S, POLLS_MAX

CLAIMS = '{"sub": "ana", "email": "ana@example.com", "email_verified": true, "name": "Ana Souza"}'


class Form(HTMLParser):
    """The first form of a page: how it is sent, and its fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.method = ""
        self.fields: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag == "form":
            self.method = self.method or str(named.get("method"))
        if tag == "input":
            self.fields.append(str(named.get("name")))


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The provider, as a process: it can't be imported where warnings are errors."""
    with reserve_port("127.0.0.1") as reserved:
        port = reserved.getsockname()[1]
        command = [sys.executable, "-m", "oidc_provider_mock", "-p", str(port), "--require-nonce", "true"]
        process = subprocess.Popen(
            [*command, "--user-claims", CLAIMS], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture
async def ready(issuer: str) -> str:
    async with httpx.AsyncClient() as client:
        for _ in range(POLLS_MAX):
            try:
                if (await client.get(f"{issuer}/.well-known/openid-configuration")).status_code == 200:
                    return issuer
            except httpx.TransportError:
                await asyncio.sleep(POLL_INTERVAL_S)
    raise AssertionError("the provider did not start")


async def registered(issuer: str, redirect_uri: str) -> tuple[str, str]:
    async with httpx.AsyncClient() as client:
        body = {"redirect_uris": [redirect_uri], "token_endpoint_auth_method": "client_secret_basic"}
        answer = (await client.post(f"{issuer}/oauth2/clients", json=body)).json()
        return answer["client_id"], answer["client_secret"]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_oidc_http() as session:
        yield session


@pytest.fixture
async def site(ready: str, http: aiohttp.ClientSession) -> AsyncIterator[Site]:
    """Two clients of the provider: one whose word on addresses is trusted, one whose is not."""
    clock = WallClock()
    providers = {
        name: OidcProvider(Client(ready, name, "hush", trust_email=trust), http, clock)
        for name, trust in (("company", True), ("stranger", False))
    }
    served = site_of(providers, clock)
    async with listening(served.app) as served.url:
        yield served


async def agree(browser: httpx.AsyncClient, url: str, subject: str) -> httpx.URL:
    """At the provider: read its form, fill it in, send it; where it sends us then."""
    page = await browser.get(url)
    form = Form(page.text)
    assert (form.method, form.fields[0]) == ("post", "sub")
    answer = await browser.post(url, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return httpx.URL(answer.headers["location"])


async def test_a_person_signs_in_and_comes_back_to_where_they_were(site: Site) -> None:
    async with site.browser() as browser:
        back = await agree(browser, await start(browser, "company", "/docs?page=2#top"), "ana")
        answer = await browser.get(back)
        assert (answer.status_code, answer.headers["location"]) == (303, "/docs?page=2#top")
        assert not browser.cookies
    (identity,) = site.identities
    assert (identity.subject, identity.email, identity.name) == ("ana", "ana@example.com", "Ana Souza")
    assert identity.email_verified


async def test_an_address_is_taken_as_proven_only_where_the_setting_says_so(site: Site) -> None:
    async with site.browser() as browser:
        await browser.get(await agree(browser, await start(browser, "stranger"), "ana"))
    assert [each.email_verified for each in site.identities] == [False]


async def test_an_address_that_the_provider_has_not_verified_is_not_verified(site: Site) -> None:
    async with site.browser() as browser:
        await browser.get(await agree(browser, await start(browser, "company"), "bo@example.com"))
    (identity,) = site.identities
    assert (identity.email, identity.email_verified) == ("bo@example.com", False)


async def test_the_cookie_is_for_the_browser_only(site: Site) -> None:
    async with site.browser() as browser:
        answer = await browser.get("/v1/auth/oidc/company/start")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/"} <= set(cookie.split("; "))
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["code_challenge_method"] == ["S256"]
        for secret in (query["state"][0], query["nonce"][0]):
            assert secret not in cookie


async def test_who_declines_is_not_signed_in(site: Site) -> None:
    async with site.browser() as browser:
        url = await start(browser, "company")
        answer = await browser.post(url, data={"action": "deny"})
        denied = httpx.URL(answer.headers["location"])
        # this provider leaves the state out of a refusal, which makes it anybody's
        assert problem(await browser.get(denied), 400, "sign-in-refused")["reason"] == "state"
        state = parse_qs(urlsplit(url).query)["state"][0]
        parameters = {"error": "access_denied", "error_description": "<MARKER>", "state": state}
        refused = problem(await come_back(browser, "company", parameters), 400, "sign-in-refused")
        assert refused["detail"] == "the provider did not sign you in (access_denied)"
        assert not browser.cookies
    assert not site.identities


async def test_a_registered_client_shows_its_secret(ready: str, http: aiohttp.ClientSession) -> None:
    redirect_uri = "http://127.0.0.1:1/v1/auth/oidc/company/callback"
    client_id, secret = await registered(ready, redirect_uri)

    async def finish(given: str) -> Identity:
        provider = OidcProvider(Client(ready, client_id, given), http, WallClock())
        begun = await provider.begin(redirect_uri)
        async with httpx.AsyncClient() as browser:
            back = await agree(browser, begun.url, "ana")
        return await provider.finish(begun, redirect_uri, dict(back.params))

    assert (await finish(secret)).subject == "ana"
    with pytest.raises(OidcRefused, match="its token endpoint answered with 401"):
        await finish("wrong")


async def test_providers_come_from_the_settings(ready: str, tmp_path: Path) -> None:
    (tmp_path / "company.secret").write_text("hush\n")
    given = {"company": {"issuer": ready, "client_id": "us", "client_secret_file": "company.secret"}}
    settings = Settings(data_dir=tmp_path, oidc_providers=given)
    assert "hush" not in repr(settings)
    async with open_oidc(settings, WallClock()) as providers:
        assert (await providers["company"].begin("http://127.0.0.1/back")).url.startswith(ready)
