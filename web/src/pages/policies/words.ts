// Rules in words.
import type { NewRule, Rule, SetRule } from "~/api/client";

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

/** Whether an earlier rule of the same layer takes everything before this one, as far as text shows. */
export function shadowOf<T extends Rule | SetRule>(rule: T, layer: T[]): T | null {
  const earlier = layer.filter((each) => each.position < rule.position && !isExpired(each));
  return (
    earlier.find((each) => {
      const m = each.match;
      const isPlain = !m.except?.length && !m.sources?.length && !m.risks?.length && !m.conditions?.length && !m.persons?.length && !m.roles?.length && !m.clients?.length && !m.keys?.length && !m.channels?.length;
      const patterns = m.tools ?? [];
      const covers = patterns.length === 0 || patterns.includes("**") || (rule.match.tools?.length ? rule.match.tools.every((tool) => patterns.includes(tool)) : false);
      return isPlain && covers;
    }) ?? null
  );
}
