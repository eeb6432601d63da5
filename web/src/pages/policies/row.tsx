// What a rule says, in a row of a list: of a level, or of a set.
import type { Rule, Schemas, SetRule } from "~/api/client";
import { count } from "~/lib/time";
import { Ago, cx, Decision, Hourglass, When } from "~/ui/basics";
import { Seen } from "~/ui/text";
import { aboutOf, isExpired } from "./words";

type Used = { calls: number; lastAt: string };

export function RuleText({ rule, usage, used, shadow }: { rule: Rule | SetRule; usage: Schemas["RuleUsage"] | undefined; used: Used | undefined; shadow: Rule | null }) {
  return (
    <>
      <span className="flex flex-wrap items-baseline gap-x-3">
        <Decision of={rule.effect} />
        <span className="min-w-0 font-mono break-words">
          <Seen text={aboutOf(rule.match)} />
        </span>
      </span>
      <span className="flex flex-wrap gap-x-3 text-meta text-ink2">
        {rule.note && <Seen text={rule.note} />}
        {rule.until && (
          <span className={cx(isExpired(rule) && "text-bad")}>
            {isExpired(rule) ? <><Hourglass /> ended </> : "until "}
            <When at={rule.until} />
          </span>
        )}
        {usage &&
          (used ? (
            <span>
              {count(used.calls, "call")} in 30 days, last <Ago at={used.lastAt} />
            </span>
          ) : (
            <span>{rule.createdAt < usage.since ? "no call in 30 days" : "no call yet"}</span>
          ))}
        {shadow && <span className="text-bad">▲ {shadowWords(shadow, rule)}</span>}
      </span>
    </>
  );
}

/** Why a rule is never heard: another of its layer stands before it, or one of another layer is stricter. */
function shadowWords(shadow: Rule, rule: Rule | SetRule): string {
  const isBeside = "level" in rule && shadow.level === rule.level && shadow.set?.assignment === rule.set?.assignment;
  if (isBeside) return `never reached: rule ${shadow.position} takes every call before it`;
  const layer = shadow.set ? `of the set ${shadow.set.name}` : shadow.level;
  return `never heard: ${shadow.set ? `rule ${shadow.position} ${layer}` : `${layer} rule ${shadow.position}`} says ${shadow.effect} to every such call`;
}

/** How often the copies of a rule of a set decided, taken together. */
export function usedOf(usage: Schemas["RuleUsage"] | undefined, is: (use: Schemas["RuleUse"]) => boolean): Used | undefined {
  const uses = usage?.rules.filter(is) ?? [];
  if (uses.length === 0) return undefined;
  return { calls: uses.reduce((sum, each) => sum + each.calls, 0), lastAt: uses.map((each) => each.lastAt).sort().at(-1) ?? "" };
}
