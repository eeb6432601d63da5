// The servers of an mcp.json block, as several clients write it. Each becomes a source of its own; the
// server reads the entry.
import { isFields, parse } from "~/lib/json";

export type McpServer = { name: string; what: string; isCommand: boolean; document: string };

/** The servers that a text names; null where it is no such block. */
export function mcpServers(text: string): McpServer[] | null {
  let block: unknown;
  try {
    block = parse(text);
  } catch {
    return null;
  }
  if (!isFields(block)) return null;
  const key = ["mcpServers", "servers"].find((name) => isFields((block as Record<string, unknown>)[name]));
  const servers = key ? block[key] : null;
  // An OpenAPI description has `servers` too: a list of addresses.
  if (!isFields(servers) || block.openapi !== undefined) return null;
  return Object.entries(servers).map(([name, entry]) => {
    const fields = isFields(entry) ? entry : {};
    const address = typeof fields.url === "string" ? fields.url : typeof fields.serverUrl === "string" ? fields.serverUrl : "";
    const command = [fields.command, ...(Array.isArray(fields.args) ? fields.args : [])].filter((word) => typeof word === "string").join(" ");
    return { name, what: address || command, isCommand: address === "", document: JSON.stringify({ mcpServers: { [name]: entry } }) };
  });
}
