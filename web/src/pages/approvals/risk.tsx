// The facts behind the word for a call's risk, as far as the request, the arguments and what is kept
// here show them. Never a word without its reasons.
import { useQuery } from "@tanstack/react-query";
import type { Approval } from "~/api/client";
import { credentials as allCredentials, useApi } from "~/api/queries";
import { isFields } from "~/lib/json";
import { Risk } from "~/ui/basics";
import { Seen } from "~/ui/text";

/** Entries of a list beyond which it is worth a word. */
const MANY = 20;
/** Switches that make a call do more than it says. */
const FORCING = /^(force|forced|recursive|all|cascade|permanent|permanently|skip_?confirm\w*|no_?confirm\w*)$/i;

type Props = { approval: Approval; isFirst: boolean; runAs?: string | null | undefined };

export function RiskReasons({ approval, isFirst, runAs }: Props) {
  const api = useApi();
  const source = approval.tool.split(".")[0];
  const credentials = useQuery({ ...allCredentials(api), staleTime: 60_000 }).data?.filter((each) => (runAs ? each.id === runAs : each.source === source)) ?? [];
  const reasons = [...ofRequest(approval), ...ofArguments(approval.arguments)];
  const scopes = [...new Set(credentials.map((each) => each.scope))];
  const [scope] = scopes;
  if (scopes.length === 1 && scope) reasons.push(scope === "personal" ? "opened by a personal credential" : `opened by a credential that the whole ${scope} shares`);
  if (approval.risk === "unknown") reasons.push("what it does is not known");
  if (isFirst) reasons.push("first such question of this person");
  return (
    <>
      <Risk of={approval.risk} /> <Seen text={reasons.join(" · ")} />
    </>
  );
}

function ofRequest(approval: Approval): string[] {
  const request = approval.request as { method?: unknown; url?: unknown } | null;
  const reasons: string[] = [];
  if (typeof request?.method === "string") reasons.push(`${request.method} method`);
  if (typeof request?.url === "string" && URL.canParse(request.url)) reasons.push(`goes to ${new URL(request.url).host}`);
  return reasons;
}

/** What in the arguments makes a call reach further than one thing. */
export function ofArguments(value: unknown, name = ""): string[] {
  if (typeof value === "string") return /^[*%]$|\*\*|[/:.=]\*|\*[/.]/.test(value) ? [`a wildcard in ${name}`] : [];
  if (value === true) return FORCING.test(name.split(".").at(-1) ?? "") ? [`${name} is set`] : [];
  if (Array.isArray(value)) {
    const many = value.length > MANY ? [`${value.length.toLocaleString("en")} entries in ${name}`] : [];
    return [...many, ...value.slice(0, MANY).flatMap((each) => ofArguments(each, name))].filter((each, i, all) => all.indexOf(each) === i);
  }
  if (isFields(value)) return Object.entries(value).flatMap(([key, each]) => ofArguments(each, name ? `${name}.${key}` : key));
  return [];
}
