// Says when what is shown may be old. Decisions stay possible: the server checks what was seen.
import { useLiveState } from "~/live/context";
import { useNow } from "~/ui/basics";
import { ago } from "~/lib/time";

export function Connection() {
  const { status, since, last } = useLiveState();
  const now = useNow();
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
