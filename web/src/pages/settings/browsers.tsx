// Browsers that are told while they are closed: this one, and the person's others.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Schemas } from "~/api/client";
import { browsers as allBrowsers, useApi, useSession } from "~/api/queries";
import { begin, forget, quietHere, whyNot } from "~/lib/push";
import { read, useStored } from "~/lib/store";
import { Ago, Button, Empty, Panel, Status } from "~/ui/basics";
import { explain, Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";
import { toast } from "~/ui/toast";

type Browser = Schemas["PushSubscription"];

/** Under which this browser remembers which of them it is. */
const usePlace = () => `push.${useSession().me.workspace.id}`;

/** Whether this browser is told while it is closed, and by a choice of the person's. */
export function WhileClosed() {
  const api = useApi();
  const client = useQueryClient();
  const workspace = useSession().me.workspace.id;
  const [own] = useStored(usePlace());
  const query = useQuery(allBrowsers(api));
  const [busy, setBusy] = useState(false);
  const [isDenied, setDenied] = useState(() => "Notification" in window && Notification.permission === "denied");
  const why = whyNot();
  // What was removed elsewhere is off here, too.
  const isOn = own !== null && (query.data === undefined || query.data.some((each) => each.id === own));
  const turn = async (next: boolean) => {
    setBusy(true);
    try {
      if (!next) {
        if (own) await api.delete("/api/v1/push/subscriptions/{id}", { path: { id: own } }).catch(() => undefined);
        await forget(workspace);
      } else {
        const answer = await Notification.requestPermission();
        setDenied(answer === "denied");
        if (answer === "granted") await begin(api, workspace);
      }
    } catch (error) {
      // What a push service of the browser's maker refuses has a name and a sentence of its own.
      toast(error instanceof DOMException ? `The browser's push service refuses: ${error.message || error.name}` : explain(error).title);
    }
    await client.invalidateQueries({ queryKey: allBrowsers(api).queryKey });
    setBusy(false);
  };
  return (
    <label className="flex items-start gap-2 border-t border-line p-3">
      <input type="checkbox" className="mt-1" disabled={why !== null || busy || (isDenied && !isOn)} checked={isOn && why === null} onChange={(event) => void turn(event.target.checked)} />
      <span>
        Notify this browser when it is closed
        <span className="block text-meta text-ink3">
          {why ??
            (isDenied
              ? "This browser blocks notifications of this page. Allow them in its settings of this site, then load the page again."
              : isOn
                ? "On. Messages go through the push service of the browser's maker, sealed so that only this browser reads them. They name the tool, its risk and who asks, never arguments."
                : "Off. You are told of what waits for your decision, through the push service of the browser's maker, sealed for this browser alone.")}
        </span>
      </span>
    </label>
  );
}

/** Has the quiet hours of this browser hold for what it is sent, too. */
export function useQuietFollows(): () => Promise<void> {
  const api = useApi();
  const client = useQueryClient();
  const place = usePlace();
  return async () => {
    const id = read(place);
    if (id === null) return;
    await api.patch("/api/v1/push/subscriptions/{id}", { path: { id }, body: { quietHours: quietHere() } as never }).catch((error: unknown) => toast(explain(error).title));
    await client.invalidateQueries({ queryKey: allBrowsers(api).queryKey });
  };
}

/** The person's browsers that are told, this one and others. */
export function Browsers() {
  const query = useQuery(allBrowsers(useApi()));
  return (
    <Panel title="Your notified browsers">
      <Loaded query={query} rows={1}>
        {(items) =>
          items.length === 0 ? (
            <Empty>No browser is notified while it is closed.</Empty>
          ) : (
            <ul>
              {items.map((each) => (
                <Row key={each.id} browser={each} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Row({ browser }: { browser: Browser }) {
  const api = useApi();
  const client = useQueryClient();
  const workspace = useSession().me.workspace.id;
  const [own] = useStored(usePlace());
  const [busy, setBusy] = useState(false);
  const path = { id: browser.id };
  const act = async (what: () => Promise<string>) => {
    setBusy(true);
    await what()
      .then((said) => toast(said))
      .catch((error: unknown) => toast(explain(error).title));
    setBusy(false);
    void client.invalidateQueries({ queryKey: allBrowsers(api).queryKey });
  };
  const test = async () => {
    const { status, attempt } = await api.post("/api/v1/push/subscriptions/{id}/test", { path });
    return status === "delivered" ? `Sent a test to ${browser.name}` : `The test was not sent: ${attempt.message}`;
  };
  const remove = async () => {
    await api.delete("/api/v1/push/subscriptions/{id}", { path });
    if (own === browser.id) await forget(workspace);
    return `Removed ${browser.name}`;
  };
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-3 py-1.5 last:border-0">
      <span className="min-w-0 flex-1 basis-64">
        <span className="wrap-anywhere">
          <Seen text={browser.name} /> {own === browser.id && <span className="text-ink3">(this one)</span>}
        </span>
        <span className="block text-meta wrap-anywhere text-ink3">
          <code>{browser.service}</code>
          {browser.quietHours && <> · quiet {browser.quietHours}</>}
          {browser.lastAttempt ? (
            <>
              {" "}
              · <Ago at={browser.lastAttempt.at} />: <Seen text={browser.lastAttempt.message} />
            </>
          ) : (
            <> · added <Ago at={browser.createdAt} /></>
          )}
        </span>
      </span>
      <Status of={browser.status} />
      <span className="flex flex-wrap gap-1">
        <Button small disabled={busy} aria-label={`Send a test to ${browser.name}`} onClick={() => void act(test)}>
          Send a test
        </Button>
        <Button small look="quiet" disabled={busy} aria-label={`Remove ${browser.name}`} onClick={() => void act(remove)}>
          Remove
        </Button>
      </span>
    </li>
  );
}
