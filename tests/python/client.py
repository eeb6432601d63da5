"""Plays one conversation with Executor through the official MCP client for Python.

Reads one JSON object from stdin: `transport` ("http" with `url`, or "stdio" with `command` and
`env`), `mode` (how the client negotiates the protocol), `api` (address of the HTTP API, with which
a person answers), `read` and `write` (programs). Prints what came back as one JSON object; judging
it is left to the Rust test that started this.
"""

import asyncio
import json
import sys
import urllib.request

from mcp import Client, StdioServerParameters


def post(url: str, body: dict) -> dict:
    """Answers an approval the way a person's client does: through the HTTP API."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def shown(result) -> dict:
    """The parts of a tool's result that the test looks at."""
    return {
        "isError": bool(result.is_error),
        "structured": result.structured_content,
        "text": "".join(getattr(block, "text", "") for block in result.content),
    }


def server_of(order: dict):
    if order["transport"] == "http":
        return order["url"]
    return StdioServerParameters(command=order["command"], args=["mcp"], env=order["env"])


async def converse(order: dict) -> dict:
    client = Client(server_of(order), mode=order["mode"], read_timeout_seconds=60)
    async with client:
        tools = (await client.list_tools()).tools
        found = await client.call_tool("search_tools", {"query": order["query"]})
        read = await client.call_tool("execute", {"code": order["read"]})
        thrown = await client.call_tool("execute", {"code": order["thrown"]})
        waiting = await client.call_tool("execute", {"code": order["write"]})
        structured = waiting.structured_content
        answers = [
            post(f"{order['api']}/approvals/{approval['id']}/approve", {})
            for approval in structured.get("approvals") or []
        ]
        resumed = await client.call_tool("resume", {"taskId": structured["taskId"]})
        left = await client.call_tool("execute", {"code": order["write"]})
        canceled = await client.call_tool(
            "cancel_task", {"taskId": left.structured_content["taskId"]}
        )
        return {
            "protocol": client.protocol_version,
            "server": client.server_info.name,
            "tools": [{"name": t.name, "description": t.description or ""} for t in tools],
            "found": shown(found),
            "read": shown(read),
            "thrown": shown(thrown),
            "waiting": shown(waiting),
            "answers": answers,
            "resumed": shown(resumed),
            "canceled": shown(canceled),
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(converse(json.load(sys.stdin)))))
