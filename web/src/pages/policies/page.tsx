// The rules in their order, and one of them to look at and change.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useRef, useState } from "react";
import type { Rule, Schemas } from "~/api/client";
import { policy, ruleUsage, useApi, useMay, useSession } from "~/api/queries";
import { count } from "~/lib/time";
import { Button, buttonClass, cx, Decision, Page } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain, Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";
import { RuleEditor } from "./editor";
import { ChangeBacktest, useBacktest } from "./backtest";
import { RuleText } from "./row";
import { PolicyTabs } from "./tabs";
import { aboutOf } from "./words";

const LEVELS = ["organization", "workspace", "personal"];

export function PoliciesPage() {
  const { slug } = useSession();
  const api = useApi();
  const { id } = useParams({ strict: false }) as { id?: string };
  const query = useQuery(policy(api));
  return (
    <Page
      wide
      title="Policies"
      actions={
        <>
          <Link to="/w/$slug/policies/test" params={{ slug }} className={buttonClass()}>
            Test a call
          </Link>
          <Link to="/w/$slug/policies/history" params={{ slug }} className={buttonClass()}>
            History
          </Link>
          <Link to="/w/$slug/policies/$id" params={{ slug, id: "new" }} className={buttonClass("main")}>
            Add a rule
          </Link>
        </>
      }
    >
      <PolicyTabs at="rules" />
      <p className="mb-4 max-w-[90ch] text-ink2">
        The rules of a level are a layer, and so is each set that is assigned there. Within a layer the first rule that matches decides. Across layers the strictest wins: deny, then ask, then allow. Where no rule matches, reads are allowed and everything else asks.
      </p>
      <Loaded query={query}>
        {(data) => (
          <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
            <div className={cx(id && "hidden lg:block")}>
              {LEVELS.map((level) => (
                <div key={level}>
                  <Level level={level} rules={data.rules.filter((each) => each.level === level && !each.set)} all={data.rules} at={id} />
                  {setsOf(data.rules, level).map((layer) => (
                    <SetLayer key={layer[0]?.set?.assignment} rules={layer} all={data.rules} />
                  ))}
                </div>
              ))}
              <p className="text-meta text-ink3">Version {data.version}</p>
            </div>
            <div>
              {id === "new" ? (
                <RuleEditor key="new" rule={null} />
              ) : id ? (
                data.rules.some((each) => each.id === id && each.set) ? (
                  <OfSet rule={data.rules.find((each) => each.id === id) as Rule} />
                ) : data.rules.some((each) => each.id === id) ? (
                  <RuleEditor key={id} rule={data.rules.find((each) => each.id === id) ?? null} />
                ) : (
                  <p className="rounded-md border border-line p-4">
                    The rule <code className="break-all">{id}</code> is not there any more.{" "}
                    <Link to="/w/$slug/policies/history" params={{ slug }} className="text-accent underline">
                      See what became of it
                    </Link>
                  </p>
                )
              ) : (
                <p className="hidden p-4 text-ink2 lg:block">Select a rule to see what it does and to try a change of it.</p>
              )}
            </div>
          </div>
        )}
      </Loaded>
    </Page>
  );
}

/** The rules of a level that sets brought, one list for each assignment. */
function setsOf(rules: Rule[], level: string): Rule[][] {
  const layers = new Map<string, Rule[]>();
  for (const rule of rules) if (rule.level === level && rule.set) layers.set(rule.set.assignment, [...(layers.get(rule.set.assignment) ?? []), rule]);
  return [...layers.values()];
}

/** A layer that a set brought: it is changed in the set. */
function SetLayer({ rules, all }: { rules: Rule[]; all: Rule[] }) {
  const { slug } = useSession();
  const usage = useQuery(ruleUsage(useApi())).data;
  const first = rules[0];
  if (!first?.set) return null;
  const { id, name, assignment } = first.set;
  return (
    <section className="mb-4 rounded-md border border-line bg-surface" aria-labelledby={`layer-${assignment}`}>
      <div className="flex flex-wrap items-baseline gap-x-3 border-b border-line px-3 py-2">
        <h2 id={`layer-${assignment}`} className="min-w-0 text-body wrap-anywhere">
          Set <Seen text={name} />, for {first.level === "personal" ? "your own tasks" : `the ${first.level}`}
        </h2>
        <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: id }} className="ml-auto text-accent underline">
          Open the set
        </Link>
      </div>
      <ol>
        {rules.map((rule) => (
          <li key={rule.id} className="flex items-start gap-2 border-b border-line px-3 py-1.5 last:border-0">
            <span className="w-6 pt-0.5 text-right font-mono text-ink3">{rule.position}</span>
            <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: id }} search={{ rule: rule.set?.rule ?? "" }} className="min-w-0 flex-1">
              <RuleText rule={rule} usage={usage} used={usage?.rules.find((each) => each.rule === rule.id)} shadow={shadowIn(rule, all, usage)} />
            </Link>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What stands for the editor of a rule that a set brought. */
function OfSet({ rule }: { rule: Rule }) {
  const { slug } = useSession();
  return (
    <section aria-label="Rule of a set" className="flex flex-col gap-2 rounded-md border border-line bg-surface p-4">
      <p>
        <Decision of={rule.effect} /> <Seen text={aboutOf(rule.match)} />
      </p>
      <p>
        It comes of the set <Seen text={rule.set?.name ?? ""} />, which is assigned here: it is changed there, and wherever else the set is assigned.
      </p>
      <Link to="/w/$slug/policies/sets/$set" params={{ slug, set: rule.set?.id ?? "" }} search={{ rule: rule.set?.rule ?? "" }} className="text-accent underline">
        Open it in the set
      </Link>
    </section>
  );
}

/** The rule because of which another is never heard, as the server finds it. */
function shadowIn(rule: Rule, all: Rule[], usage: Schemas["RuleUsage"] | undefined): Rule | null {
  return all.find((each) => each.id === usage?.shadowed?.find((one) => one.rule === rule.id)?.by) ?? null;
}

function Level({ level, rules, all, at }: { level: string; rules: Rule[]; all: Rule[]; at: string | undefined }) {
  const mayChange = useMay(level === "organization" ? "owner" : level === "workspace" ? "admin" : "member");
  const usage = useQuery(ruleUsage(useApi())).data;
  return (
    <section className="mb-4 rounded-md border border-line bg-surface" aria-labelledby={`level-${level}`}>
      <h2 id={`level-${level}`} className="border-b border-line px-3 py-2 text-body first-letter:uppercase">
        {level === "personal" ? "personal, for your own tasks" : level}
      </h2>
      {rules.length === 0 ? (
        <p className="px-3 py-2 text-ink2">No rule.</p>
      ) : (
        <ol>
          {rules.map((rule) => (
            <RuleRow key={rule.id} rule={rule} isLast={rule.position === rules.length} shadow={shadowIn(rule, all, usage)} isHere={rule.id === at} mayChange={mayChange} usage={usage} />
          ))}
        </ol>
      )}
    </section>
  );
}

/** The rule that is dragged now. */
let dragged: { id: string; level: string } | null = null;

type RowProps = { rule: Rule; isLast: boolean; shadow: Rule | null; isHere: boolean; mayChange: boolean; usage: Schemas["RuleUsage"] | undefined };

function RuleRow({ rule, isLast, shadow, isHere, mayChange, usage }: RowProps) {
  const used = usage?.rules.find((each) => each.rule === rule.id);
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [isOver, setOver] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const stay = useRef<HTMLButtonElement>(null);
  const blocked = mayChange ? undefined : `Rules of the level ${rule.level} are changed by ${rule.level === "organization" ? "an owner" : "an administrator"}`;
  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    await what().catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    await client.invalidateQueries({ queryKey: [api.workspace, "policy"] });
  };
  // A move is tried on recorded calls first: one that changes none of them is made and told, else it is asked about.
  const backtest = useBacktest();
  const [moving, setMoving] = useState<{ id: string; position: number } | null>(null);
  const moveTo = (to: { id: string; position: number }) => api.post("/api/v1/policies/{id}/move", { path: { id: to.id }, body: { position: to.position } as never });
  const place = (id: string, position: number) =>
    act(async () => {
      const found = await backtest({ change: "move", id, position });
      if (found.otherwise > 0) return setMoving({ id, position });
      await moveTo({ id, position });
      toast(`Moved to place ${position}. Tried on ${count(found.lookedAt, "recorded call")}: none would be decided otherwise`);
    });
  const move = (by: number) => place(rule.id, rule.position + by);
  // A rule is dragged within its level; the arrows do the same without a pointer.
  const takes = () => mayChange && dragged !== null && dragged.level === rule.level && dragged.id !== rule.id;
  return (
    <li
      draggable={mayChange}
      onDragStart={(event) => {
        dragged = { id: rule.id, level: rule.level };
        event.dataTransfer.effectAllowed = "move";
        event.dataTransfer.setData("text/plain", rule.id);
      }}
      onDragEnd={() => (dragged = null)}
      onDragOver={(event) => {
        if (!takes()) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        if (!takes() || !dragged) return;
        event.preventDefault();
        void place(dragged.id, rule.position);
      }}
      className={cx("flex flex-wrap items-start gap-2 border-b border-line px-3 py-1.5 last:border-0 md:flex-nowrap", isHere && "bg-select", isOver && "outline-2 -outline-offset-2 outline-accent")}
    >
      <span className="w-6 pt-0.5 text-right font-mono text-ink3">{rule.position}</span>
      <Link to="/w/$slug/policies/$id" params={{ slug, id: rule.id }} aria-current={isHere ? "true" : undefined} className="min-w-0 flex-1 basis-[calc(100%-2rem)] md:basis-0">
        <RuleText rule={rule} usage={usage} used={used} shadow={shadow} />
      </Link>
      <span className="ml-auto flex gap-0.5">
        <Button small look="quiet" aria-label={`Move rule ${rule.position} up`} disabled={busy || rule.position === 1} blocked={blocked} onClick={() => void move(-1)}>
          ↑
        </Button>
        <Button small look="quiet" aria-label={`Move rule ${rule.position} down`} disabled={busy || isLast} blocked={blocked} onClick={() => void move(1)}>
          ↓
        </Button>
        <Button small look="quiet" aria-label={`Remove rule ${rule.position}`} blocked={blocked} onClick={() => setAsked(true)}>
          ✕
        </Button>
      </span>
      <Confirm
        open={asked}
        onClose={() => setAsked(false)}
        cancelRef={cancel}
        busy={busy}
        verb="Remove the rule"
        title={`Remove the rule “${rule.note || aboutOf(rule.match)}”?`}
        onYes={() =>
          void act(async () => {
            await api.delete("/api/v1/policies/{id}", { path: { id: rule.id } });
            setAsked(false);
            if (isHere) await navigate({ to: "/w/$slug/policies", params: { slug } });
          })
        }
      >
        <p className="mb-3">
          {rule.effect} {aboutOf(rule.match)}. It can be put back from the history.
        </p>
        {asked && <ChangeBacktest of={{ change: "remove", id: rule.id }} />}
      </Confirm>
      <Confirm
        open={moving !== null}
        onClose={() => setMoving(null)}
        cancelRef={stay}
        busy={busy}
        look="main"
        verb="Move it"
        title={`Move the rule to place ${moving?.position}?`}
        onYes={() =>
          void act(async () => {
            if (moving) await moveTo(moving);
            setMoving(null);
          })
        }
      >
        {moving && <ChangeBacktest of={{ change: "move", ...moving }} />}
      </Confirm>
    </li>
  );
}
