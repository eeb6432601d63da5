"""A person behind the official MCP client for Python, who is asked and answers.

Reads one JSON object from stdin: `transport` ("http" with `url`, or "stdio" with `command` and
`env`), `mode` (how the client negotiates), `code` (a program) and `answers`, one for each question:
"approve", "deny", "decline", "cancel", or an object that fills the form in. Prints what the person was
shown and what came back; judging it is left to the Rust test that started this.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp_types import ElicitResult


async def converse(order: dict) -> dict:
    answers = list(order["answers"])
    shown, progress = [], []

    async def ask(_context, params) -> ElicitResult:
        shown.append(params.model_dump(by_alias=True, mode="json"))
        answer = answers.pop(0)
        if isinstance(answer, dict):
            return ElicitResult(action="accept", content=answer)
        if answer in ("approve", "deny"):
            content = {"decision": answer, "reason": f"the person says {answer}"}
            return ElicitResult(action="accept", content=content)
        return ElicitResult(action=answer)

    async def told(done: float, total: float | None, message: str | None) -> None:
        progress.append(message)

    if order["transport"] == "http":
        server = order["url"]
    else:
        server = StdioServerParameters(command=order["command"], args=["mcp"], env=order["env"])
    client = Client(server, mode=order["mode"], read_timeout_seconds=60, elicitation_callback=ask)
    async with client:
        arguments = {"code": order["code"]}
        result = await client.call_tool("execute", arguments, progress_callback=told)
        return {
            "protocol": client.protocol_version,
            "shown": shown,
            "progress": progress,
            "structured": result.structured_content,
            "text": "".join(getattr(block, "text", "") for block in result.content),
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(converse(json.load(sys.stdin)))))
