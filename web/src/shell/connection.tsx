// Says when what is shown may be old. Decisions stay possible: the server checks what was seen.
import { useEffect, useRef, useState } from "react";
import { useLiveState } from "~/live/context";
import { Button, useNow } from "~/ui/basics";
import { ago } from "~/lib/time";

/** The dashboard's own first part, as a page of the server names it. */
const part = (page: Document) => page.querySelector<HTMLScriptElement>("script[type=module][src]")?.getAttribute("src");

/** Whether the server, back after a while, serves another dashboard than the one that runs here. */
function useUpgraded(status: string): boolean {
  const [isOther, setOther] = useState(false);
  const wasBroken = useRef(false);
  useEffect(() => {
    if (status === "broken") wasBroken.current = true;
    if (status !== "live" || !wasBroken.current) return;
    wasBroken.current = false;
    fetch("/", { headers: { accept: "text/html" } })
      .then((answer) => answer.text())
      .then((text) => {
        const served = part(new DOMParser().parseFromString(text, "text/html"));
        if (served) setOther(served !== part(document));
      })
      // It is gone again, and comes back another time.
      .catch(() => undefined);
  }, [status]);
  return isOther;
}

export function Connection() {
  const { status, since, last } = useLiveState();
  const now = useNow();
  const isUpgraded = useUpgraded(status);
  if (isUpgraded)
    return (
      <p role="status" className="flex flex-wrap items-center gap-3 border-b border-control bg-raised px-4 py-2">
        The server runs another version. This page goes on until you reload it.
        <Button small onClick={() => location.reload()}>
          Reload for the new version
        </Button>
      </p>
    );
  const broken = status === "broken" ? now - since : 0;
  if (broken < 5_000) return null;
  if (broken < 30_000)
    return (
      <p role="status" className="border-b border-line bg-sunken px-4 py-1 text-meta text-ink2">
        Reconnecting…
      </p>
    );
  return (
    <p role="status" className="border-b border-control bg-raised px-4 py-2">
      Not connected. Last update {ago(new Date(last).toISOString(), now)}; what you see may be old. Decisions are still checked by the server.
    </p>
  );
}
