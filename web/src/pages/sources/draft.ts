// What was entered about a source, until it is there.
import type { Schemas } from "~/api/client";

type NewSource = Schemas["NewSource"];
export type Preset = Schemas["Preset"];

export type Draft = {
  input: string;
  fileName: string;
  name: string;
  kind: string;
  baseUrl: string;
  header: string;
  isPrivate: boolean;
  /** What reading it takes already, where nothing is told without. */
  secret: string;
  /** The known service that filled it in. */
  preset: Preset | null;
};

export const NOTHING: Draft = { input: "", fileName: "", name: "", kind: "", baseUrl: "", header: "", isPrivate: false, secret: "", preset: null };

/** What a preset calls the way in that no source names: tokens that somebody grants. */
export const OAUTH = "oauth";

export const isAddress = (text: string): boolean => /^https?:\/\/\S+$/.test(text.trim());

/** The request for a draft: the same for a look and for adding it. */
export function bodyOf(draft: Draft): NewSource {
  const pair = /^([^:\s]+)\s*:\s*(.+)$/.exec(draft.header.trim());
  // An MCP server that takes nothing but a header of its own says so nowhere: the preset knows.
  const auth = draft.kind === "mcp" && draft.preset && draft.preset.auth !== OAUTH ? draft.preset.auth : null;
  return {
    ...(isAddress(draft.input) ? { url: draft.input.trim() } : { document: draft.input, fileName: draft.fileName || "pasted" }),
    ...(draft.name ? { name: draft.name } : {}),
    ...(draft.kind ? { kind: draft.kind } : {}),
    ...(draft.baseUrl ? { baseUrl: draft.baseUrl } : {}),
    ...(pair ? { headers: [{ name: pair[1], value: pair[2] }] } : {}),
    ...(auth ? { auth } : {}),
    ...(draft.secret ? { credential: { value: draft.secret, ...(draft.preset && draft.preset.auth !== OAUTH ? { auth: draft.preset.auth } : {}) } } : {}),
    allowPrivate: draft.isPrivate,
  } as NewSource;
}

/** A draft of what a known service is added by. */
export const draftOf = (preset: Preset): Draft => ({ ...NOTHING, input: preset.url, name: preset.name, kind: preset.kind, baseUrl: preset.baseUrl ?? "", preset });
