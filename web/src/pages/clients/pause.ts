// A paused client: a rule at the head of the workspace that denies every call of it.
import type { Api, Rule } from "~/api/client";

/** How the note of such a rule begins. */
const PAUSED = "Paused";

/** Whom a rule pauses: what comes with a key, else a name for a person over one way in. */
export type Paused = { client: string; channel: string; account: string; key?: string | null | undefined };

/** A key says for certain who comes with it; a name is what a client calls itself. */
function matchOf(of: Paused): Partial<Rule["match"]> {
  return of.key ? { keys: [of.key] } : { clients: [of.client], persons: [of.account], channels: [of.channel] };
}

export function isPauseOf(rule: Rule, of: Paused): boolean {
  if (rule.effect !== "deny" || !rule.note.startsWith(PAUSED)) return false;
  const { keys = [], clients = [], persons = [] } = rule.match;
  return of.key ? keys.includes(of.key) : clients.includes(of.client) && persons.includes(of.account);
}

/** Denies whatever it calls, from its next call on. */
export async function pause(api: Api, of: Paused): Promise<void> {
  const note = `${PAUSED}: ${of.client || "an unnamed client"}`;
  const rule = await api.post("/api/v1/policies", { body: { effect: "deny", level: "workspace", match: matchOf(of), note } as never });
  await api.post("/api/v1/policies/{id}/move", { path: { id: rule.id }, body: { position: 1 } });
}
