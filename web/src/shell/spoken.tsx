// What waits, for whoever hears the page.
import { useEffect, useRef, useState } from "react";
import { useNeedsMe, waitingCount } from "~/api/queries";

/** How often what waits is read out at most, and how near its end a call is spoken of. */
const SPOKEN_MS = 10_000;
const SOON_MS = 60_000;

/** Tells screen readers what waits, as one sentence and seldom; of what is about to expire, once. */
export function Spoken() {
  const found = useNeedsMe();
  const items = found?.items;
  const count = waitingCount(found);
  const [said, setSaid] = useState("");
  const latest = useRef({ items, count });
  latest.current = { items, count };
  useEffect(() => {
    let before: string | undefined;
    const warned = new Set<string>();
    const timer = window.setInterval(() => {
      const { items, count } = latest.current;
      if (!items) return;
      const soon = items.filter((each) => !warned.has(each.id) && Date.parse(each.expiresAt) - Date.now() < SOON_MS);
      for (const each of soon) warned.add(each.id);
      const ends = soon.length > 0 ? ` ${soon.length === 1 ? `${soon[0]?.tool} expires` : `${soon.length} calls expire`} within a minute.` : "";
      // What was there when the page was opened is no news.
      if (before !== undefined && (before !== count || ends)) setSaid(`${count === "" ? "No call waits" : count === "1" ? "1 call waits" : `${count} calls wait`} for a decision.${ends}`);
      before = count;
    }, SPOKEN_MS);
    return () => window.clearInterval(timer);
  }, []);
  return (
    <p className="sr-only" aria-live="polite" data-testid="spoken">
      {said}
    </p>
  );
}
