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
  /** How its person signs in from the client, where the text has no key. */
  signIn?: string;
};

const NAME = "executor";
const json = (value: unknown) => JSON.stringify(value, null, 2);

/** Base64 of a text's UTF-8, once. */
export function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** What a client sends along with a key; without one it sends nothing, and is asked to sign in. */
function headersOf(key: string | null): { headers?: Record<string, string> } {
  return key === null ? {} : { headers: { Authorization: `Bearer ${key}` } };
}

export function cursorLink(url: string, key: string | null): string {
  const config = base64(JSON.stringify({ url, ...headersOf(key) }));
  return `cursor://anysphere.cursor-deeplink/mcp/install?name=${NAME}&config=${encodeURIComponent(config)}`;
}

export function vscodeLink(url: string, key: string | null): string {
  const config = { name: NAME, type: "http", url, ...headersOf(key) };
  return `vscode:mcp/install?${encodeURIComponent(JSON.stringify(config))}`;
}

/** A word for a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `key` is a real key, or what stands in its place until one is made; null where people sign in from the client. */
export function snippets(url: string, key: string | null): Snippet[] {
  const headers = headersOf(key);
  return [
    {
      id: "claude-code",
      name: "Claude Code",
      where: "In a terminal",
      kind: "command",
      text: `claude mcp add --transport http ${NAME} ${quoted(url)}${key === null ? "" : ` --header ${quoted(`Authorization: Bearer ${key}`)}`}`,
      signIn: "Then /mcp in Claude Code, and Authenticate.",
      note: `On this machine, without a key: claude mcp add ${NAME} -- executor mcp`,
    },
    {
      id: "codex",
      name: "Codex",
      where: key === null ? "In ~/.codex/config.toml" : "In ~/.codex/config.toml, with EXECUTOR_API_KEY set to the key",
      kind: "toml",
      text: `[mcp_servers.${NAME}]\nurl = ${JSON.stringify(url)}\n${key === null ? "" : 'bearer_token_env_var = "EXECUTOR_API_KEY"\n'}`,
      signIn: `Then in a terminal: codex mcp login ${NAME}`,
    },
    {
      id: "cursor",
      name: "Cursor",
      where: "In ~/.cursor/mcp.json",
      kind: "json",
      text: json({ mcpServers: { [NAME]: { url, ...headers } } }),
      signIn: "Cursor then offers to log in beside the server's name.",
      link: { label: "Install in Cursor", href: cursorLink(url, key) },
    },
    {
      id: "vscode",
      name: "VS Code",
      where: "In .vscode/mcp.json",
      kind: "json",
      text: json({ servers: { [NAME]: { type: "http", url, ...headers } } }),
      signIn: "VS Code opens the page to sign in when it starts the server.",
      link: { label: "Install in VS Code", href: vscodeLink(url, key) },
    },
    {
      id: "gemini",
      name: "Gemini CLI",
      where: "In ~/.gemini/settings.json",
      kind: "json",
      text: json({ mcpServers: { [NAME]: { httpUrl: url, ...headers } } }),
      signIn: `Then in Gemini CLI: /mcp auth ${NAME}`,
    },
    {
      id: "opencode",
      name: "opencode",
      where: "In opencode.json",
      kind: "json",
      text: json({ mcp: { [NAME]: { type: "remote", url, enabled: true, ...headers } } }),
      signIn: `Then in a terminal: opencode mcp auth ${NAME}`,
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
      text: key === null ? url : `${url}\nAuthorization: Bearer ${key}`,
      signIn: "It is answered 401, finds the authorization server from there, and opens a page to sign in.",
    },
  ];
}
