// A tool that policy denies: by which rule, and the way back where that rule names it.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { NewRule, Rule } from "~/api/client";
import { policy, useApi, useMay, useSession } from "~/api/queries";
import { Button } from "~/ui/basics";
import { explain } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

/** Paths are one to a look-up whatever their case, `_` and `-`. */
const folded = (path: string): string => path.toLowerCase().replace(/[_-]/g, "");

/** The rule without one tool that it names; null where it names nothing else. */
export function without(rule: Rule, path: string): NewRule | null {
  const tools = (rule.match.tools ?? []).filter((each) => folded(each) !== folded(path));
  if (tools.length === 0) return null;
  const { effect, level, match, note, until, ask } = rule;
  return { effect, level, match: { ...match, tools }, note, ...(until ? { until } : {}), ...(ask ? { ask } : {}) } as NewRule;
}

export function BringBack({ path, rule: id }: { path: string; rule: string }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const rule = useQuery(policy(api)).data?.rules.find((each) => each.id === id);
  const mayChange = useMay(rule?.level === "organization" ? "owner" : rule?.level === "personal" ? "member" : "admin");
  const isNamed = rule?.match.tools?.some((each) => folded(each) === folded(path)) ?? false;
  const bring = async () => {
    if (!rule) return;
    setBusy(true);
    const rest = without(rule, path);
    const given = { path: { id } };
    await (rest ? api.put("/api/v1/policies/{id}", { ...given, body: rest as never }) : api.delete("/api/v1/policies/{id}", given))
      .then(() => toast(<>Brought back <Seen text={path} />; the history of policies undoes it</>))
      .catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    for (const kind of ["policy", "tools"]) void client.invalidateQueries({ queryKey: [api.workspace, kind] });
  };
  return (
    <>
      <span>
        Denied by rule{" "}
        <Link to="/w/$slug/policies/$id" params={{ slug, id }} className="break-all text-accent underline">
          <Seen text={rule?.note || id} />
        </Link>
      </span>
      {isNamed && (
        <Button small disabled={busy} blocked={mayChange ? undefined : `Needs the role ${rule?.level === "organization" ? "owner" : "admin"}`} aria-label={`Bring back ${path}`} onClick={() => void bring()}>
          Bring back
        </Button>
      )}
    </>
  );
}
