// One approval in the list.
import { Link } from "@tanstack/react-router";
import type { Approval } from "~/api/client";
import { useNames } from "~/api/queries";
import { isFields } from "~/lib/json";
import { clock, span } from "~/lib/time";
import { Ago, cx, Risk, Status, useNow } from "~/ui/basics";
import { Seen, ToolPath } from "~/ui/text";

type Props = {
  approval: Approval;
  slug: string;
  search: object;
  isOpen: boolean;
  isMarked: boolean;
  isGone: boolean;
  onMark: (() => void) | undefined;
  /** Where it stands in a list that is not drawn as a whole. */
  place?: { index: number; top: number; of: number; measure: (node: Element | null) => void };
};

export function Row({ approval, slug, search, isOpen, isMarked, isGone, onMark, place }: Props) {
  const names = useNames();
  const isPending = approval.status === "pending" && !isGone;
  return (
    <li
      {...(place && { ref: place.measure, "data-index": place.index, "aria-setsize": place.of, "aria-posinset": place.index + 1, style: { transform: `translateY(${place.top}px)` } })}
      className={cx("flex items-start border-b border-line", place && "absolute inset-x-0 top-0", isOpen && "bg-select", !isPending && onMark && "opacity-70")}
    >
      {onMark && (
        <label className="flex h-10 w-9 shrink-0 items-center justify-center">
          <input type="checkbox" aria-label={`Select ${approval.tool}`} checked={isMarked} onChange={onMark} disabled={!isPending} />
        </label>
      )}
      <Link
        to="/w/$slug/approvals/$id"
        params={{ slug, id: approval.id }}
        search={search as never}
        data-id={approval.id}
        aria-current={isOpen ? "true" : undefined}
        className={cx("min-w-0 flex-1 py-2 pr-3 -outline-offset-2", !onMark && "pl-3")}
      >
        <span className="flex items-baseline gap-2">
          <span className="min-w-0 flex-1 font-semibold">
            <ToolPath path={approval.tool} />
          </span>
          {isPending ? <Left until={approval.expiresAt} /> : <Status of={isGone && approval.status === "pending" ? "withdrawn" : approval.status} />}
        </span>
        <span className="flex items-baseline gap-2 text-ink2">
          <Risk of={approval.risk} />
          <span className="min-w-0 truncate font-mono text-meta">
            <Seen text={brief(approval.arguments)} />
          </span>
        </span>
        <span className="text-meta text-ink3">
          {approval.client && <><Seen text={approval.client} /> for </>}
          {names(approval.requestedBy)} · <Ago at={approval.createdAt} />
          {isPending && approval.assigned && ` · assigned to ${names(approval.assigned.to)}`}
          {approval.needed > 1 && ` · ${approval.needed - approval.missing} of ${approval.needed} yes`}
          {!isPending && approval.decidedBy && ` · by ${names(approval.decidedBy)}`}
          {!isPending && approval.decidedAt && ` after ${span(Date.parse(approval.decidedAt) - Date.parse(approval.createdAt))}`}
        </span>
        {!isPending && approval.reason && (
          <span className="block truncate text-meta text-ink2">
            “<Seen text={approval.reason} />”
          </span>
        )}
      </Link>
      {!isPending && !onMark && (
        <span className="flex shrink-0 flex-col items-end gap-1 py-2 pr-3 text-meta">
          {approval.callStatus ? (
            <span>
              call <Status of={approval.callStatus} />
            </span>
          ) : (
            <span className="text-ink3">not sent</span>
          )}
          <Link to="/w/$slug/tasks/$id" params={{ slug, id: approval.taskId }} className="flex min-h-6 items-center text-accent underline" aria-label={`Task of ${approval.tool}`}>
            task
          </Link>
        </span>
      )}
    </li>
  );
}

/** The first arguments in a line. */
function brief(value: unknown): string {
  if (!isFields(value)) return JSON.stringify(value);
  const text = Object.entries(value).map(([name, each]) => `${name}: ${JSON.stringify(each)?.slice(0, 60)}`);
  return text.slice(0, 4).join(", ").slice(0, 160);
}

function Left({ until }: { until: string }) {
  const left = Date.parse(until) - useNow();
  const text = left <= 0 ? "expiring" : clock(left);
  return (
    <span className={cx("font-mono text-meta whitespace-nowrap", left < 60_000 ? "text-wait" : "text-ink2")} aria-hidden>
      {text}
    </span>
  );
}
