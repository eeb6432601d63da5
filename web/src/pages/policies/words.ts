// Rules in words.
import type { NewRule, Rule } from "~/api/client";

/** What a rule applies to, as a sentence. */
export function aboutOf(match: Rule["match"] | NewRule["match"]): string {
  const m: Partial<Rule["match"]> = match ?? {};
  const parts = [m.tools?.length ? m.tools.join(", ") : "every tool"];
  if (m.except?.length) parts.push(`except ${m.except.join(", ")}`);
  if (m.sources?.length) parts.push(`of ${m.sources.join(", ")}`);
  if (m.risks?.length) parts.push(`of risk ${m.risks.join(" or ")}`);
  if (m.conditions?.length) parts.push(`when ${m.conditions.join(" and ")}`);
  if (m.persons?.length) parts.push(`for ${m.persons.join(", ")}`);
  if (m.roles?.length) parts.push(`for role ${m.roles.join(", ")}`);
  if (m.clients?.length) parts.push(`from ${m.clients.join(", ")}`);
  if (m.keys?.length) parts.push(`with key ${m.keys.join(", ")}`);
  if (m.channels?.length) parts.push(`over ${m.channels.join(", ")}`);
  return parts.join(" ");
}

export function isExpired(rule: Pick<Rule, "until">): boolean {
  return rule.until !== undefined && rule.until !== null && Date.parse(rule.until) < Date.now();
}
