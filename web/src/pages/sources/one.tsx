// One source: how it is, what it yields, what a refresh would change.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { ApiError, type Source } from "~/api/client";
import { credentials as allCredentials, toolsOf, useApi, useMay, useNeeds, useSession } from "~/api/queries";
import { count, span } from "~/lib/time";
import { Ago, Button, buttonClass, Facts, Page, Panel, Risk, Status, When } from "~/ui/basics";
import { Confirm } from "~/ui/dialog";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen, ToolPath } from "~/ui/text";
import { toast } from "~/ui/toast";
import { BringBack } from "../tools/denied";
import { type Report, RefreshPanel } from "./refresh";

/** Tools that are drawn of a list. */
const ROWS = 200;

export function SourcePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const api = useApi();
  const query = useQuery({ queryKey: [api.workspace, "sources", id], queryFn: () => api.get("/api/v1/sources/{id}", { path: { id } }) });
  return <Loaded query={query}>{(source) => <One source={source} />}</Loaded>;
}

function One({ source }: { source: Source }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const needs = useNeeds("admin");
  const credentials = useQuery(allCredentials(api)).data?.filter((each) => each.source === source.name) ?? [];
  const [report, setReport] = useState<Report | null>(null);
  const [busy, setBusy] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [asked, setAsked] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const path = { id: source.id };
  const act = async (name: string, what: () => Promise<unknown>) => {
    setBusy(name);
    setError(null);
    try {
      await what();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy("");
      void client.invalidateQueries({ queryKey: [api.workspace, "sources"] });
      void client.invalidateQueries({ queryKey: [api.workspace, "tools"] });
    }
  };
  const look = () => act("look", async () => setReport(await api.post("/api/v1/sources/{id}/refresh", { path, query: { dryRun: true } as never })));
  const refresh = (accept: boolean) =>
    act("refresh", async () => {
      const done = await api.post("/api/v1/sources/{id}/refresh", { path, query: { accept } as never }).catch(async (failure: unknown) => {
        // It became doubtful since it was looked at: what it is now is shown, with the way to take it over.
        if (failure instanceof ApiError && failure.code === "refresh_doubtful") setReport(await api.post("/api/v1/sources/{id}/refresh", { path, query: { dryRun: true } as never }));
        throw failure;
      });
      setReport(null);
      toast(`Refreshed ${source.name}: ${done.added.length} added, ${done.removed.length} removed, ${done.changed.length} changed`);
    });
  const isOff = source.status === "disabled";
  return (
    <Page
      title={
        <>
          {source.name} <span className="text-body text-ink3">{source.kind}</span>
        </>
      }
      actions={
        <>
          <Button blocked={needs} disabled={busy !== ""} onClick={() => void look()}>
            {busy === "look" ? "Reading…" : "Look for changes"}
          </Button>
          <Button blocked={needs} disabled={busy !== ""} onClick={() => void act("enable", () => api.patch("/api/v1/sources/{id}", { path, body: { enabled: isOff } as never }))}>
            {isOff ? "Enable" : "Disable"}
          </Button>
          <Button look="quiet" blocked={needs} onClick={() => setAsked(true)}>
            Remove…
          </Button>
        </>
      }
    >
      {error !== null && (
        <div className="mb-4">
          <Problem error={error} />
        </div>
      )}
      {report && <RefreshPanel name={source.name} report={report} busy={busy !== ""} isRefreshing={busy === "refresh"} onLeave={() => setReport(null)} onTake={(accept) => void refresh(accept)} />}
      <Panel title="How it is">
        <div className="p-3">
          <Facts
            of={[
              ["Status", <Status key="s" of={source.status} />],
              ["Reason", source.reason && <Seen text={source.reason} />],
              ["Title", <Seen key="t" text={source.title} />],
              ["Description", <code key="o" className="break-all">{source.origin}</code>],
              ["Calls go to", <code key="b" className="break-all">{source.baseUrl}</code>],
              ["Lets in by", source.auth.length > 0 ? source.auth.join(" or ") : "everybody"],
              ["Private network", source.allowPrivate && "allowed for its own host"],
              ["May be repeated", source.idempotent.length > 0 && <code key="i">{source.idempotent.join(", ")}</code>],
              ["Tools", <Link key="c" to="/w/$slug/tools" params={{ slug }} search={{ q: source.name }} className="text-accent underline">{source.toolCount.toLocaleString("en")}</Link>],
              ["Last read", <Ago key="r" at={source.refreshedAt} />],
            ]}
          />
        </div>
      </Panel>
      <HealthPanel source={source} />
      {source.auth.length > 0 && (
        <Panel title="Credentials" actions={<Link to="/w/$slug/credentials" params={{ slug }} search={{ source: source.name }} className={buttonClass("plain", true)}>Add one</Link>}>
          {credentials.length === 0 ? (
            <p className="p-3 text-bad">▲ None: every call fails with credential_missing.</p>
          ) : (
            <ul>
              {credentials.map((each) => (
                <li key={each.id} className="flex gap-4 px-3 py-1.5">
                  <span>{each.scope}</span>
                  <code>{each.auth}</code>
                  <span className="ml-auto text-ink2">{each.lastUsedAt ? <>used <Ago at={each.lastUsedAt} /></> : "never used"}</span>
                </li>
              ))}
            </ul>
          )}
        </Panel>
      )}
      <Review source={source} />
      <LeftOut source={source} />
      {source.warnings.length > 0 && (
        <Panel title={`Warnings of the import (${source.warnings.length})`}>
          <ul className="max-h-80 overflow-auto p-3" tabIndex={0} aria-label="Warnings">
            {source.warnings.map((each, i) => (
              <li key={i}>
                ▲ <Seen text={each} />
              </li>
            ))}
          </ul>
        </Panel>
      )}
      <Confirm
        open={asked}
        onClose={() => setAsked(false)}
        cancelRef={cancel}
        verb={`Remove ${source.name}`}
        busy={busy !== ""}
        title={`Remove ${source.name}?`}
        onYes={() =>
          void act("remove", async () => {
            await api.delete("/api/v1/sources/{id}", { path }).catch((failure: unknown) => {
              toast(explain(failure).title);
              throw failure;
            });
            await navigate({ to: "/w/$slug/sources", params: { slug } });
          })
        }
      >
        <p>
          Its {source.toolCount.toLocaleString("en")} tools leave the catalog and its {credentials.length === 1 ? "credential is" : "credentials are"} destroyed. Records of calls stay.
        </p>
      </Confirm>
    </Page>
  );
}

/** What its calls came to lately, and what wants somebody to look. */
function HealthPanel({ source }: { source: Source }) {
  const api = useApi();
  const query = useQuery({ queryKey: [api.workspace, "sources", source.id, "health"], queryFn: () => api.get("/api/v1/sources/{id}/health", { path: { id: source.id } }), refetchInterval: 30_000 });
  return (
    <Panel title="Health">
      <Loaded query={query} rows={2}>
        {({ calls, reasons, nextRefreshAt }) => (
          <div className="flex flex-col gap-3 p-3">
            {reasons.map((each) => (
              <p key={each.code}>
                <span className="text-bad">▲</span> <Seen text={each.message} />
                <span className="block pl-4 text-ink2">
                  <Seen text={each.nextStep} />
                </span>
              </p>
            ))}
            <Facts
              of={[
                [`Last ${calls.hours} hours`, calls.count === 0 ? "no call" : `${count(calls.count, "call")}, ${calls.failed === 0 ? "none failed" : `${calls.failed.toLocaleString("en")} failed (${((calls.errorRate ?? 0) * 100).toFixed(1)} %)`}`],
                ["Half within", typeof calls.p50Ms === "number" && `${span(calls.p50Ms)}; 95 of 100 within ${span(calls.p95Ms ?? calls.p50Ms)}`],
                ["Last success", calls.lastSuccessAt && <Ago key="s" at={calls.lastSuccessAt} />],
                ["Last failure", calls.lastFailureAt && <><Ago key="f" at={calls.lastFailureAt} />{calls.lastFailure && <>: <code>{calls.lastFailure}</code></>}</>],
                ["Read again", nextRefreshAt ? <When key="n" at={nextRefreshAt} /> : "only when somebody asks"],
              ]}
            />
          </div>
        )}
      </Loaded>
    </Panel>
  );
}

/** Tools that policy denies to everybody or to the person: no catalog lists them, so they are listed here. */
function LeftOut({ source }: { source: Source }) {
  const { slug } = useSession();
  const api = useApi();
  const isAdmin = useMay("admin");
  const denied = useQuery({ ...toolsOf(api, source.name, "only"), enabled: isAdmin && source.status !== "disabled" }).data ?? [];
  if (denied.length === 0) return null;
  return (
    <Panel title={`Left out by rules (${denied.length.toLocaleString("en")})`}>
      <p className="px-3 pt-3 text-ink2">No program finds them.</p>
      <ul className="max-h-80 overflow-auto p-3" tabIndex={0} aria-label="Left out by rules">
        {denied.slice(0, ROWS).map((each) => (
          <li key={each.path} className="flex flex-wrap items-center gap-x-3 gap-y-0.5 border-b border-line py-1 last:border-0">
            <Link to="/w/$slug/tools/$path" params={{ slug, path: each.path }} search={{ denied: "too" }} className="min-w-0 flex-1 basis-56 hover:underline">
              <ToolPath path={each.path} />
            </Link>
            <Risk of={each.risk} />
            {each.rule && <BringBack path={each.path} rule={each.rule} />}
          </li>
        ))}
        {denied.length > ROWS && <li className="pt-1 text-ink2">and {(denied.length - ROWS).toLocaleString("en")} more; the tools page lists them</li>}
      </ul>
    </Panel>
  );
}

/** What somebody should look at before a model does: dangerous texts, and tools that are new or changed. */
function Review({ source }: { source: Source }) {
  const { slug } = useSession();
  const api = useApi();
  const client = useQueryClient();
  const needs = useNeeds("admin");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const waiting = useQuery({
    queryKey: [api.workspace, "sources", source.id, "unreviewed", source.revision],
    queryFn: () => api.get("/api/v1/sources/{id}/unreviewed", { path: { id: source.id } }),
    enabled: source.unreviewed > 0,
  });
  const findings = source.findings ?? [];
  if (source.unreviewed === 0 && findings.length === 0) return null;
  const accept = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.post("/api/v1/sources/{id}/review", { path: { id: source.id }, body: { all: true, revision: waiting.data?.revision ?? source.revision } as never });
      toast(`Reviewed the tools of ${source.name}`);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
      void client.invalidateQueries({ queryKey: [api.workspace, "sources"] });
      void client.invalidateQueries({ queryKey: [api.workspace, "tools"] });
    }
  };
  return (
    <Panel
      title="To look at"
      actions={
        source.unreviewed > 0 && (
          <Button small look="main" blocked={needs} disabled={busy || !waiting.data} onClick={() => void accept()}>
            I have looked at {source.unreviewed === 1 ? "it" : `all ${source.unreviewed}`}
          </Button>
        )
      }
    >
      {error !== null && (
        <div className="p-3">
          <Problem error={error} />
        </div>
      )}
      {findings.length > 0 && (
        <ul className="max-h-80 overflow-auto border-b border-line p-3" tabIndex={0} aria-label="Findings">
          {findings.map((each, i) => (
            <li key={i} className={each.severity === "high" ? "text-bad" : ""}>
              ▲ {each.tool && <ToolPath path={each.tool} />} <Seen text={each.message} />
              {each.excerpt && (
                <code className="block pl-4 text-meta break-words text-ink2">
                  <Seen text={each.excerpt} />
                </code>
              )}
            </li>
          ))}
        </ul>
      )}
      {source.unreviewed > 0 && (
        <>
          <p className="px-3 pt-3 text-ink2">New or changed since somebody last looked; each asks before it is sent, also where a rule would allow it.</p>
          <Loaded query={waiting}>
            {(found) => (
              <ul className="max-h-80 overflow-auto p-3" tabIndex={0} aria-label="Tools to look at">
                {found.items.map((each) => (
                  <li key={each.path} className="flex flex-wrap items-baseline gap-x-3">
                    <Link to="/w/$slug/tools/$path" params={{ slug, path: each.path }} className="min-w-0 hover:underline">
                      <ToolPath path={each.path} />
                    </Link>
                    <Risk of={each.risk} />
                  </li>
                ))}
              </ul>
            )}
          </Loaded>
        </>
      )}
    </Panel>
  );
}
