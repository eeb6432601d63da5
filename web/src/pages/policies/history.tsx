// Every change of the rules, what it made different, and a way back.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import type { NewRule, PolicyVersion, Rule } from "~/api/client";
import { policyVersions, useApi, useNames, useNeeds, useSession } from "~/api/queries";
import { Button, buttonClass, cx, Empty, Page, When } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { type Change, ChangeBacktest } from "./backtest";
import { aboutOf } from "./words";

export function PolicyHistoryPage() {
  const { slug } = useSession();
  const api = useApi();
  const names = useNames();
  const search = useSearch({ strict: false }) as { version?: string };
  const versions = useQuery(policyVersions(api));
  const at = search.version ? Number(search.version) : null;
  return (
    <Page
      wide
      title="History of policies"
      actions={
        <Link to="/w/$slug/policies" params={{ slug }} className={buttonClass()}>
          All rules
        </Link>
      }
    >
      <Loaded query={versions}>
        {(items) =>
          items.length === 0 ? (
            <Empty>No rule has been changed yet.</Empty>
          ) : (
            <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
              <ol className="rounded-md border border-line bg-surface">
                {items.map((each) => (
                  <li key={each.version} className={cx("border-b border-line last:border-0", each.version === at && "bg-select")}>
                    <Link to="/w/$slug/policies/history" params={{ slug }} search={{ version: String(each.version) }} className="block px-3 py-1.5">
                      <span className="flex flex-wrap items-baseline gap-x-3">
                        <span className="w-10 font-mono text-ink3">{each.version}</span>
                        <span>
                          {each.change}
                          {(each.after ?? each.before)?.set && (
                            <>
                              {" "}
                              by the set <Seen text={(each.after ?? each.before)?.set?.name ?? ""} />
                            </>
                          )}
                        </span>
                        <span className="min-w-0 flex-1 truncate font-mono text-ink2">
                          <Seen text={aboutOf((each.after ?? each.before)?.match)} />
                        </span>
                        <span className="text-meta text-ink2">
                          {names(each.by)} · <When at={each.at} />
                        </span>
                      </span>
                    </Link>
                  </li>
                ))}
              </ol>
              {at !== null && <Version at={at} key={at} />}
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}

function Version({ at }: { at: number }) {
  const { slug } = useSession();
  const api = useApi();
  const query = useQuery({
    queryKey: [api.workspace, "policy", "version", at],
    queryFn: () => api.get("/api/v1/policies/versions/{version}", { path: { version: at } }),
  });
  const of = (query.data?.after ?? query.data?.before)?.set;
  return (
    <Loaded query={query}>
      {(version) => (
        <section aria-label={`Version ${at}`} className="flex flex-col gap-3 rounded-md border border-line bg-surface p-4">
          <h2 className="text-item">
            Version {version.version}: {version.change}
          </h2>
          {version.difference.length > 0 && (
            <table className="w-full text-left wrap-anywhere">
              <thead className="text-ink3">
                <tr>
                  <th className="pr-3 font-normal">Field</th>
                  <th className="pr-3 font-normal">Before</th>
                  <th className="font-normal">After</th>
                </tr>
              </thead>
              <tbody className="font-mono">
                {version.difference.map((each) => (
                  <tr key={each.field} className="border-t border-line align-top">
                    <td className="pr-3">{each.field}</td>
                    <td className="pr-3 break-words">{each.before ? <Seen text={each.before} /> : "–"}</td>
                    <td className="break-words">{each.after ? <Seen text={each.after} /> : "–"}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          <h3 className="text-ink2">All rules after it: {version.rules.length}</h3>
          <ol>
            {version.rules.map((each) => (
              <li key={each.id} className="flex gap-3">
                <span className="w-24 shrink-0 text-ink3 wrap-anywhere">
                  {each.level} {each.set && <Seen text={each.set.name} />} {each.position}
                </span>
                <span className="w-10 shrink-0">{each.effect}</span>
                <code className="min-w-0 break-words">
                  <Seen text={aboutOf(each.match)} />
                </code>
              </li>
            ))}
          </ol>
          {of ? (
            <p>
              The set <Seen text={of.name} /> made this change where it is assigned.{" "}
              <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: of.id }} className="text-accent underline">
                Change the set, or take its assignment back
              </Link>
            </p>
          ) : (
            <Revert version={version} />
          )}
        </section>
      )}
    </Loaded>
  );
}

function newOf(rule: Rule): NewRule {
  const { effect, level, match, ask, until, note } = rule;
  return { effect, level, match, note, ...(ask ? { ask } : {}), ...(until ? { until } : {}) } as NewRule;
}

/** The change that undoes another. */
function undoing({ change, rule: id, before }: PolicyVersion): Change {
  if (change === "added" || !before) return { change: "remove", id };
  if (change === "removed") return { change: "add", rule: newOf(before) };
  if (change === "edited") return { change: "edit", id, rule: newOf(before) };
  return { change: "move", id, position: before.position };
}

/** Undoes one change: a new change, with its own version. */
function Revert({ version }: { version: PolicyVersion }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const needs = useNeeds(version.level === "organization" ? "owner" : "admin");
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const path = { id: version.rule };
  const undo = async () => {
    setBusy(true);
    setError(null);
    try {
      if (version.change === "added") await api.delete("/api/v1/policies/{id}", { path });
      else if (version.change === "removed" && version.before) {
        const again = await api.post("/api/v1/policies", { body: newOf(version.before) as never });
        // To where it was, or to the end of a level that has become shorter.
        const { rules } = await api.get("/api/v1/policies");
        const position = Math.min(version.before.position, rules.filter((each) => each.level === again.level).length);
        if (again.position !== position) await api.post("/api/v1/policies/{id}/move", { path: { id: again.id }, body: { position } as never });
      }
      else if (version.change === "edited" && version.before) await api.put("/api/v1/policies/{id}", { path, body: newOf(version.before) as never });
      else if (version.before) await api.post("/api/v1/policies/{id}/move", { path, body: { position: version.before.position } as never });
      await client.invalidateQueries({ queryKey: [api.workspace, "policy"] });
      toast(`Undid version ${version.version}`);
      setAsked(false);
      await navigate({ to: "/w/$slug/policies/history", params: { slug } });
    } catch (failure) {
      setError(failure);
      setAsked(false);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="flex flex-col items-start gap-2">
      {error !== null && <Problem error={error} />}
      <Button blocked={version.level === "personal" ? undefined : needs} onClick={() => setAsked(true)}>
        Undo this change
      </Button>
      <Confirm open={asked} onClose={() => setAsked(false)} onYes={() => void undo()} busy={busy} cancelRef={cancel} look="main" verb="Undo it" title={`Undo version ${version.version}?`}>
        <p>
          {version.change === "added" && "The rule is removed again."}
          {version.change === "removed" && "The rule is added again, at the place that it had."}
          {version.change === "edited" && "The rule gets the text it had before."}
          {version.change === "moved" && "The rule goes back to its place."}
          {" It makes a new version; changes since then stay."}
        </p>
        {asked && <div className="mt-3"><ChangeBacktest of={undoing(version)} /></div>}
      </Confirm>
    </div>
  );
}
