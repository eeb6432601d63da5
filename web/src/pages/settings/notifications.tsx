// How people and programs are told that somebody is needed.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { Schemas, Webhook } from "~/api/client";
import { useApi, useNeeds, webhooks as allWebhooks } from "~/api/queries";
import { offsetHere, readQuiet } from "~/lib/quiet";
import { useStored } from "~/lib/store";
import { Browsers, useQuietFollows, WhileClosed } from "./browsers";
import { count } from "~/lib/time";
import { Ago, Button, Copy, Empty, Field, Panel, Status } from "~/ui/basics";
import { Confirm, Dialog } from "~/ui/dialog";
import { explain, Loaded, Problem } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

const EVENTS = ["approval.pending", "approval.changed", "approval.resolved"];
type Made = Schemas["WebhookSecret"];

export function NotificationsSection() {
  const needs = useNeeds("admin");
  return (
    <>
      <SystemNotes />
      <Browsers />
      {needs ? <Panel title="Webhooks"><p className="p-3 text-ink2">{needs}.</p></Panel> : <Webhooks />}
    </>
  );
}

function SystemNotes() {
  const [on, setOn] = useStored("notify");
  const [values, setValues] = useStored("notify-arguments");
  const canNotify = "Notification" in window && window.isSecureContext;
  const turn = async (next: boolean) => {
    if (!next) return setOn(null);
    const answer = await Notification.requestPermission();
    if (answer === "granted") setOn("on");
    else toast("The browser does not let this page notify you");
  };
  return (
    <Panel title="This browser">
      <label className="flex items-start gap-2 p-3">
        <input type="checkbox" className="mt-1" disabled={!canNotify} checked={on === "on"} onChange={(event) => void turn(event.target.checked)} />
        <span>
          Notify me when a call waits and this page is in the background
          <span className="block text-meta text-ink3">{canNotify ? "It names the tool, the client and the risk. A click opens the call; no decision is taken from a notification." : "Needs https or localhost."}</span>
        </span>
      </label>
      <label className="flex items-start gap-2 border-t border-line p-3">
        <input type="checkbox" className="mt-1" checked={values === "on"} onChange={(event) => setValues(event.target.checked ? "on" : null)} />
        <span>
          Show the beginning of a call's arguments too
          <span className="block text-meta text-ink3">In the notes of this browser and its notifications, which others may see on the screen.</span>
        </span>
      </label>
      <WhileClosed />
      <QuietHours />
    </Panel>
  );
}

const NIGHT = { from: "22:00", to: "07:00" };

/** When this browser shows no notes; what waited then is told as one when they end. */
function QuietHours() {
  const [kept, keep] = useStored("quiet");
  const follow = useQuietFollows();
  const hours = readQuiet(kept);
  const shown = hours ?? NIGHT;
  const set = (next: string | null) => {
    keep(next);
    void follow();
  };
  const change = (next: { from: string; to: string }) => next.from !== next.to && set(`${next.from}-${next.to}`);
  return (
    <fieldset className="flex flex-wrap items-center gap-x-3 gap-y-2 border-t border-line p-3">
      <legend className="sr-only">Quiet hours</legend>
      <label className="flex items-center gap-2">
        <input type="checkbox" checked={hours !== null} onChange={(event) => (event.target.checked ? change(NIGHT) : set(null))} />
        Quiet hours
      </label>
      <label className="flex items-center gap-2">
        from
        <input type="time" className="field" disabled={!hours} value={shown.from} onChange={(event) => event.target.value && change({ ...shown, from: event.target.value })} />
      </label>
      <label className="flex items-center gap-2">
        to
        <input type="time" className="field" disabled={!hours} value={shown.to} onChange={(event) => event.target.value && change({ ...shown, to: event.target.value })} />
      </label>
      <span className="basis-full text-meta text-ink3">
        By this computer's clock. Notes and notifications wait until they end, and come as one; the count in the title does not wait. More than 5 within a minute come as one at any time.
      </span>
    </fieldset>
  );
}

function Webhooks() {
  const api = useApi();
  const client = useQueryClient();
  const query = useQuery(allWebhooks(api));
  const [made, setMade] = useState<Made | null>(null);
  const show = (secret: Made) => {
    setMade(secret);
    void client.invalidateQueries({ queryKey: [api.workspace, "webhooks"] });
  };
  return (
    <Panel title="Webhooks">
      <p className="border-b border-line p-3 text-ink2">For programs, signed as Standard Webhooks say, or for people in Slack. They carry the tool, its risk and a link, not arguments.</p>
      <Loaded query={query}>
        {(items) =>
          items.length === 0 ? (
            <Empty>No webhook.</Empty>
          ) : (
            <ul>
              {items.map((each) => (
                <Row key={each.id} hook={each} onMade={show} />
              ))}
            </ul>
          )
        }
      </Loaded>
      <Add onMade={show} />
      <Dialog open={made !== null} onClose={() => setMade(null)} title="The signing secret" footer={<Button look="main" onClick={() => setMade(null)}>I have it</Button>}>
        <p className="mb-2">It is shown this once.</p>
        <div className="flex items-center gap-2">
          <code className="min-w-0 flex-1 rounded-md border border-line bg-bg p-2 break-all">{made?.secret}</code>
          {made && <Copy text={made.secret} />}
        </div>
      </Dialog>
    </Panel>
  );
}

function Row({ hook, onMade }: { hook: Webhook; onMade: (made: Made) => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const path = { id: hook.id };
  const act = async (what: () => Promise<unknown>, said?: string) => {
    setBusy(true);
    await what()
      .then(() => said && toast(said))
      .catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    void client.invalidateQueries({ queryKey: [api.workspace, "webhooks"] });
  };
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5">
      <span className="min-w-0 flex-1 basis-64">
        <code className="break-all">{hook.url}</code>
        <span className="line-clamp-3 text-meta wrap-anywhere text-ink2">
          {hook.format === "slack" && <strong>Slack{hook.quietHours && `, quiet ${hook.quietHours}`} · </strong>}
          {hook.events.join(", ")}
          {hook.lastAttempt && (
            <>
              {" "}
              · last try <Ago at={hook.lastAttempt.at} />: <Seen text={hook.lastAttempt.message} />
            </>
          )}
        </span>
      </span>
      <Status of={hook.status} />
      <span className="flex flex-wrap gap-1">
        <Button small disabled={busy} onClick={() => void act(() => api.post("/api/v1/webhooks/{id}/test", { path }), "Sent a test")}>
          Test
        </Button>
        <Button small disabled={busy} onClick={() => void act(() => api.patch("/api/v1/webhooks/{id}", { path, body: { enabled: !hook.enabled } as never }))}>
          {hook.enabled ? "Disable" : "Enable"}
        </Button>
        <Button small disabled={busy} onClick={() => void act(async () => onMade(await api.post("/api/v1/webhooks/{id}/rotate", { path, body: {} as never })))}>
          Rotate
        </Button>
        <Button small look="quiet" onClick={() => setOpen(true)}>
          Remove
        </Button>
      </span>
      {hook.format === "slack" && (
        <HoursOf hours={hook.quietHours ?? null} disabled={busy} onChange={(quietHours) => void act(() => api.patch("/api/v1/webhooks/{id}", { path, body: { quietHours: quietHours ?? "none" } as never }))} />
      )}
      <Deliveries id={hook.id} />
      <Confirm open={open} onClose={() => setOpen(false)} cancelRef={cancel} busy={busy} verb="Remove the webhook" title="Remove this webhook?" onYes={() => void act(() => api.delete("/api/v1/webhooks/{id}", { path }), "Removed the webhook").then(() => setOpen(false))}>
        <p className="break-all">{hook.url}</p>
      </Confirm>
    </li>
  );
}

/** Hours in which people are told nothing: with the offset that they were given, or else this computer's. */
function HoursOf({ hours, disabled, onChange }: { hours: string | null; disabled?: boolean; onChange: (hours: string | null) => void }) {
  const kept = readQuiet(hours?.slice(0, 11) ?? null);
  const offset = hours?.slice(11) ?? offsetHere();
  const shown = kept ?? NIGHT;
  const change = (next: { from: string; to: string }) => next.from !== next.to && onChange(`${next.from}-${next.to}${offset}`);
  return (
    <fieldset className="flex basis-full flex-wrap items-center gap-x-3 gap-y-1" disabled={disabled}>
      <legend className="sr-only">Quiet hours of the webhook</legend>
      <label className="flex items-center gap-1.5">
        <input type="checkbox" checked={kept !== null} onChange={(event) => (event.target.checked ? change(NIGHT) : onChange(null))} /> quiet hours
      </label>
      {kept && (
        <>
          <label className="flex items-center gap-1.5">
            from <input type="time" className="field" value={shown.from} onChange={(event) => event.target.value && change({ ...shown, from: event.target.value })} />
          </label>
          <label className="flex items-center gap-1.5">
            to <input type="time" className="field" value={shown.to} onChange={(event) => event.target.value && change({ ...shown, to: event.target.value })} />
          </label>
          <span className="text-meta text-ink3">UTC{offset}, without summer time</span>
        </>
      )}
    </fieldset>
  );
}

/** What it was told lately, and what came of it; read when it is wanted. */
function Deliveries({ id }: { id: string }) {
  const api = useApi();
  const [isOpen, setOpen] = useState(false);
  const query = useQuery({
    queryKey: [api.workspace, "webhooks", id, "deliveries"],
    queryFn: async () => (await api.get("/api/v1/webhooks/{id}/deliveries", { path: { id }, query: { limit: 20 } as never })).items,
    enabled: isOpen,
  });
  return (
    <details className="basis-full" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="w-fit text-accent underline">Last deliveries</summary>
      {isOpen && (
        <Loaded query={query} rows={2}>
          {(items) =>
            items.length === 0 ? (
              <p className="text-ink2">None yet.</p>
            ) : (
              <ul>
                {items.map((each) => (
                  <li key={each.id} className="flex flex-wrap gap-x-4 border-t border-line py-1">
                    <Status of={each.status === "delivered" ? "ok" : each.status} />
                    <code>{each.event}</code>
                    <code className="text-ink2">{each.subject}</code>
                    <span className="ml-auto text-ink2">
                      <Ago at={each.createdAt} />, {count(each.attempts, "try", "tries")}
                      {each.lastAttempt && <>: <Seen text={each.lastAttempt.message} /></>}
                    </span>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      )}
    </details>
  );
}

function Add({ onMade }: { onMade: (made: Made) => void }) {
  const api = useApi();
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState(EVENTS);
  const [isPrivate, setPrivate] = useState(false);
  const [format, setFormat] = useState("standard");
  const [hours, setHours] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const add = async () => {
    setError(null);
    try {
      onMade(await api.post("/api/v1/webhooks", { body: { url, events, allowPrivate: isPrivate, format, ...(format === "slack" && hours ? { quietHours: hours } : {}) } as never }));
      setUrl("");
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <form
      className="flex flex-col gap-3 p-3"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <Field label="Address of a new webhook">
        <input className="field max-w-xl font-mono" type="url" placeholder="https://example.com/hooks/executor" value={url} onChange={(event) => setUrl(event.target.value)} />
      </Field>
      <Field label="Who reads it" hint={format === "slack" ? "At most five messages a minute; above that, and after quiet hours, together as one." : "Every event by itself, at once."}>
        <select className="field max-w-xs" value={format} onChange={(event) => setFormat(event.target.value)}>
          <option value="standard">a program (Standard Webhooks)</option>
          <option value="slack">people, in Slack</option>
        </select>
      </Field>
      {format === "slack" && <HoursOf hours={hours} onChange={setHours} />}
      <div className="flex flex-wrap gap-4">
        {EVENTS.map((each) => (
          <label key={each} className="flex items-center gap-1.5">
            <input type="checkbox" checked={events.includes(each)} onChange={(event) => setEvents(event.target.checked ? [...events, each] : events.filter((e) => e !== each))} />
            <code>{each}</code>
          </label>
        ))}
        <label className="flex items-center gap-1.5">
          <input type="checkbox" checked={isPrivate} onChange={(event) => setPrivate(event.target.checked)} /> may be private, or without TLS
        </label>
      </div>
      {error !== null && <Problem error={error} />}
      <div>
        <Button type="submit" disabled={url === "" || events.length === 0}>
          Add the webhook
        </Button>
      </div>
    </form>
  );
}
