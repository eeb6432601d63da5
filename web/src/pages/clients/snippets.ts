// How each client is told of this server: a command, a piece of configuration, a link to click.

export type Snippet = {
  id: string;
  name: string;
  /** Where the text goes. */
  where: string;
  text: string;
  kind: "command" | "json" | "toml";
  link?: { label: string; href: string };
  note?: string;
};

const NAME = "executor";
const json = (value: unknown) => JSON.stringify(value, null, 2);

/** Base64 of a text's UTF-8, once. */
export function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

export function cursorLink(url: string, key: string): string {
  const config = base64(JSON.stringify({ url, headers: { Authorization: `Bearer ${key}` } }));
  return `cursor://anysphere.cursor-deeplink/mcp/install?name=${NAME}&config=${encodeURIComponent(config)}`;
}

export function vscodeLink(url: string, key: string): string {
  const config = { name: NAME, type: "http", url, headers: { Authorization: `Bearer ${key}` } };
  return `vscode:mcp/install?${encodeURIComponent(JSON.stringify(config))}`;
}

/** A word for a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `key` is a real key, or what stands in its place until one is made. */
export function snippets(url: string, key: string): Snippet[] {
  const headers = { Authorization: `Bearer ${key}` };
  return [
    {
      id: "claude-code",
      name: "Claude Code",
      where: "In a terminal",
      kind: "command",
      text: `claude mcp add --transport http ${NAME} ${quoted(url)} --header ${quoted(`Authorization: Bearer ${key}`)}`,
      note: `On this machine, without a key: claude mcp add ${NAME} -- executor mcp`,
    },
    {
      id: "codex",
      name: "Codex",
      where: "In ~/.codex/config.toml, with EXECUTOR_API_KEY set to the key",
      kind: "toml",
      text: `[mcp_servers.${NAME}]\nurl = ${JSON.stringify(url)}\nbearer_token_env_var = "EXECUTOR_API_KEY"\n`,
    },
    {
      id: "cursor",
      name: "Cursor",
      where: "In ~/.cursor/mcp.json",
      kind: "json",
      text: json({ mcpServers: { [NAME]: { url, headers } } }),
      link: { label: "Install in Cursor", href: cursorLink(url, key) },
    },
    {
      id: "vscode",
      name: "VS Code",
      where: "In .vscode/mcp.json",
      kind: "json",
      text: json({ servers: { [NAME]: { type: "http", url, headers } } }),
      link: { label: "Install in VS Code", href: vscodeLink(url, key) },
    },
    {
      id: "gemini",
      name: "Gemini CLI",
      where: "In ~/.gemini/settings.json",
      kind: "json",
      text: json({ mcpServers: { [NAME]: { httpUrl: url, headers } } }),
    },
    {
      id: "opencode",
      name: "opencode",
      where: "In opencode.json",
      kind: "json",
      text: json({ mcp: { [NAME]: { type: "remote", url, enabled: true, headers } } }),
    },
    {
      id: "claude-desktop",
      name: "Claude Desktop",
      where: "In claude_desktop_config.json, on this machine",
      kind: "json",
      text: json({ mcpServers: { [NAME]: { command: "executor", args: ["mcp"] } } }),
      note: "It speaks to this server over standard input, as the user who runs it, and needs no key.",
    },
    {
      id: "other",
      name: "Another client",
      where: "Streamable HTTP, protocol 2025-03-26 or later",
      kind: "command",
      text: `${url}\nAuthorization: Bearer ${key}`,
    },
  ];
}
