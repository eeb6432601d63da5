"""The official MCP client for Python on its whole way to a token.

Discovery, registration, a person's consent, code, call; then a refresh, and a call again. Reads one
JSON object from stdin: `url` of the MCP endpoint, `link` that signs a browser in, `code` (a program).
The person is played by a few requests with cookies. Prints what came back; judging it is left to the
Rust test that started this.
"""

import asyncio
import json
import re
import sys
from urllib.parse import parse_qs, urljoin, urlparse

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

# Neither the browser nor the client is the user who runs the server.
ELSEWHERE = {"x-forwarded-for": "203.0.113.9"}
REDIRECT = "http://127.0.0.1:9/callback"


class Kept:
    """What a client keeps between two starts."""

    def __init__(self) -> None:
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens) -> None:
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info) -> None:
        self.client = client_info


class Person:
    """A browser in which somebody says yes."""

    def __init__(self, order: dict) -> None:
        self.order = order
        self.browser = httpx2.AsyncClient(headers=ELSEWHERE, follow_redirects=False)
        self.consents = 0
        self.sent_to = ""

    async def sent(self, url: str) -> None:
        self.sent_to = url

    async def answers(self) -> AuthorizationCodeResult:
        self.consents += 1
        page = (await self.browser.get(self.sent_to)).text

        def value(name: str) -> str:
            return re.search(f'name="{name}" value="([^"]*)"', page).group(1)

        form = {
            "ticket": value("ticket"),
            "workspace": value("workspace"),
            "decision": "allow",
        }
        for scope in re.findall(r'name="(scope_[a-z]+)"', page):
            form[scope] = "on"
        target = urljoin(self.order["url"], "/oauth/authorize")
        answer = await self.browser.post(target, data=form)
        sent = parse_qs(urlparse(answer.headers["location"]).query)
        return AuthorizationCodeResult(
            code=sent["code"][0], state=sent["state"][0], iss=sent["iss"][0]
        )


async def run(order: dict, http: httpx2.AsyncClient):
    transport = streamable_http_client(order["url"], http_client=http)
    async with Client(transport, read_timeout_seconds=60) as client:
        result = await client.call_tool("execute", {"code": order["code"]})
    return result.structured_content


async def main() -> None:
    order = json.load(sys.stdin)
    kept, person = Kept(), Person(order)
    await person.browser.get(order["link"])
    provider = OAuthClientProvider(
        server_url=order["url"],
        client_metadata=OAuthClientMetadata(
            client_name="executor-tests", redirect_uris=[REDIRECT]
        ),
        storage=kept,
        redirect_handler=person.sent,
        callback_handler=person.answers,
    )
    async with httpx2.AsyncClient(auth=provider, headers=ELSEWHERE, timeout=60) as http:
        first = await run(order, http)
        before = kept.tokens.refresh_token
        # As if an hour had passed.
        provider.context.token_expiry_time = 1
        second = await run(order, http)
    told = {
        "first": first,
        "second": second,
        "consents": person.consents,
        "refreshed": kept.tokens.refresh_token != before,
    }
    print(json.dumps(told))


asyncio.run(main())
