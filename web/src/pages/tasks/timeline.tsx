// The task over time: one row for the queue, one for the starts of its sandbox and one for each call,
// waits hatched; the same as a table. Rows are drawn as far as they are in sight.
import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Fragment, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { Approval, Call, Task } from "~/api/client";
import { useApi, useNames } from "~/api/queries";
import { useWide } from "~/lib/media";
import { count, span } from "~/lib/time";
import { Button, cx, Decision, Status, useNow } from "~/ui/basics";
import { Seen, ToolPath } from "~/ui/text";
import { Tall } from "./list";
import { OPEN } from "./title";

const ROW = 32;
/** On a narrow page the bar is below its name. */
const ROW_NARROW = 52;
/** Below this many rows all are drawn, which is simpler to read for everything that reads pages. */
const WHOLE = 80;

type Bar = { from: number; to: number; look: "queue" | "wait" | "run" | "ok" | "bad" | "tick" };
type Line = { key: string; sequence: number | null; label: string; bars: Bar[]; text: string; status: string };

const LOOKS: Record<Bar["look"], string> = {
  queue: "border border-control",
  wait: "hatched",
  run: "bg-run",
  ok: "bg-ink3",
  bad: "bg-bad",
  tick: "bg-control",
};

/** Log lines that are drawn as ticks. */
const TICKS = 200;

type Props = {
  task: Task;
  calls: Call[];
  selected: number | null;
  onSelect: (sequence: number) => void;
  /** The moment that is replayed, in milliseconds from the start. */
  at?: number | null;
  /** Replays; none where the task is not over. */
  onAt?: ((at: number | null) => void) | undefined;
};

export function Timeline({ task, calls, selected, onSelect, at = null, onAt }: Props) {
  const [asTable, setTable] = useState(false);
  const isOpen = OPEN.has(task.status);
  const ticking = useNow();
  const start = Date.parse(task.createdAt);
  const end = task.finishedAt ? Date.parse(task.finishedAt) : ticking;
  const now = isOpen ? ticking : end;
  const ticks = useTicks(task);
  const lines = useMemo(() => linesOf(task, calls, ticks, now), [task, calls, ticks, now]);
  const whole = Math.max(1, end - start);
  return (
    <section aria-label="Timeline" className="flex h-full min-h-0 flex-col">
      <div className="flex h-9 shrink-0 items-center gap-2 border-b border-line px-3">
        <h2 className="text-ink2">Timeline</h2>
        <span className="text-meta text-ink3">
          {calls.length} {calls.length === 1 ? "call" : "calls"}
        </span>
        {onAt && calls.length > 0 && (
          <Button small look="quiet" className="ml-auto" aria-pressed={at !== null} onClick={() => onAt(at === null ? 0 : null)}>
            {at === null ? "Replay" : "End the replay"}
          </Button>
        )}
        <Button small look="quiet" className={cx(!(onAt && calls.length > 0) && "ml-auto")} aria-pressed={asTable} onClick={() => setTable(!asTable)}>
          {asTable ? "As bars" : "As a table"}
        </Button>
      </div>
      {onAt && at !== null && <Scrubber whole={whole} at={at} calls={calls} start={start} onAt={onAt} />}
      {asTable ? (
        <Table task={task} calls={calls} ticks={ticks} start={start} now={now} selected={selected} onSelect={onSelect} />
      ) : (
        <>
          <div className="relative mx-3 h-5 shrink-0 md:ml-[46%] text-meta text-ink3" aria-hidden>
            {[0, 0.5, 1].map((share) => (
              <span key={share} className={cx("absolute top-0.5 whitespace-nowrap", share === 1 && "-translate-x-full", share === 0.5 && "-translate-x-1/2")} style={{ left: `${share * 100}%` }}>
                {span(whole * share)}
              </span>
            ))}
          </div>
          <Lines lines={lines} start={start} whole={whole} selected={selected} onSelect={onSelect} at={at} />
        </>
      )}
    </section>
  );
}

/** Goes through the task's time: its code, its logs and its bars follow. */
function Scrubber({ whole, at, calls, start, onAt }: { whole: number; at: number; calls: Call[]; start: number; onAt: (at: number) => void }) {
  const moments = useMemo(
    () => [...new Set(calls.flatMap((each) => [each.startedAt, each.finishedAt].filter((time) => time !== undefined && time !== null).map((time) => Date.parse(time) - start)))].sort((a, b) => a - b),
    [calls, start],
  );
  const before = moments.filter((each) => each < at).at(-1);
  const after = moments.find((each) => each > at);
  return (
    <div role="group" aria-label="Replay" className="flex shrink-0 items-center gap-2 border-b border-line bg-select px-3 py-1">
      <Button small look="quiet" aria-label="To the event before" disabled={before === undefined} onClick={() => before !== undefined && onAt(before)}>
        ‹
      </Button>
      <input type="range" aria-label="Moment of the replay" aria-valuetext={`${span(at)} of ${span(whole)}`} className="min-w-0 flex-1 accent-accent" min={0} max={whole} step={Math.max(1, Math.round(whole / 400))} value={at} onChange={(event) => onAt(Number(event.target.value))} />
      <Button small look="quiet" aria-label="To the next event" disabled={after === undefined} onClick={() => after !== undefined && onAt(after)}>
        ›
      </Button>
      <span className="w-20 text-right font-mono text-meta">+{span(at)}</span>
    </div>
  );
}

type LinesProps = { lines: Line[]; start: number; whole: number; selected: number | null; onSelect: (sequence: number) => void; at: number | null };

function Lines({ lines, start, whole, selected, onSelect, at }: LinesProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const isVirtual = lines.length > WHOLE;
  const row = useWide() ? ROW : ROW_NARROW;
  const rows = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => row, overscan: 6, enabled: isVirtual });
  useEffect(() => rows.measure(), [row, rows]);
  const draw = (line: Line, top?: number) => (
    <LineRow key={line.key} line={line} start={start} whole={whole} isSelected={line.sequence !== null && line.sequence === selected} onSelect={onSelect} top={top} at={at} />
  );
  if (!isVirtual) return <div className="pb-3">{lines.map((line) => draw(line))}</div>;
  return (
    <div ref={scroller} className="max-h-[60vh] min-h-64 flex-1 overflow-auto lg:max-h-none" tabIndex={0} role="group" aria-label={`${lines.length} rows`}>
      <Tall height={rows.getTotalSize()}>
        {rows.getVirtualItems().map((item) => {
          const line = lines[item.index];
          return line ? draw(line, item.start) : null;
        })}
      </Tall>
    </div>
  );
}

type LineProps = { line: Line; start: number; whole: number; isSelected: boolean; onSelect: (sequence: number) => void; top: number | undefined; at: number | null };

function LineRow({ line, start, whole, isSelected, onSelect, top, at }: LineProps) {
  // What has not happened yet at the moment that is replayed.
  const isAhead = at !== null && line.bars.every((bar) => bar.from - start > at);
  const share = (ms: number) => `${(ms / whole) * 100}%`;
  const inner = (
    <>
      <span className="flex min-w-0 shrink-0 items-center gap-2 px-3 md:w-[46%] md:pr-2">
        <span className="w-7 shrink-0 text-right font-mono text-ink3">
          {line.sequence !== null && <span className="sr-only">Call </span>}
          {line.sequence ?? ""}
        </span>
        {line.sequence === null ? (
          <span className="min-w-0 flex-1 truncate">{line.label}</span>
        ) : (
          // Where it is cut, it keeps its end: the beginning is the source, which most calls share.
          <span className="min-w-0 flex-1 truncate text-left font-mono" dir="rtl" title={line.label}>
            <bdi dir="ltr">
              <Seen text={line.label} />
              <span className="sr-only">, {line.status}</span>
            </bdi>
          </span>
        )}
        <span className="shrink-0 font-mono text-meta text-ink2">{line.text}</span>
      </span>
      <span className="relative mx-3 h-3 min-w-0 md:ml-0 md:flex-1" aria-hidden>
        {line.bars.map((bar, i) => (
          <span key={i} className={cx("absolute inset-y-0 min-w-[2px] rounded-sm", LOOKS[bar.look])} style={{ left: share(bar.from - start), width: share(bar.to - bar.from) }} />
        ))}
        {at !== null && <span className="absolute -inset-y-2.5 w-px bg-accent" style={{ left: share(Math.min(at, whole)) }} />}
      </span>
    </>
  );
  const place = top === undefined ? undefined : { transform: `translateY(${top}px)` };
  const look = cx("flex h-13 w-full flex-col justify-center gap-1.5 text-left md:h-8 md:flex-row md:items-center md:justify-start md:gap-0", top !== undefined && "absolute inset-x-0 top-0", isSelected && "bg-select", isAhead && "text-ink3 [&_[aria-hidden]>span]:opacity-30");
  if (line.sequence === null)
    return (
      <div className={cx(look, "text-ink2")} style={place}>
        {inner}
      </div>
    );
  const sequence = line.sequence;
  return (
    <button type="button" aria-pressed={isSelected} onClick={() => onSelect(sequence)} className={cx(look, "-outline-offset-2 hover:bg-surface")} style={place}>
      {inner}
    </button>
  );
}

/** When the program logged something, as far as its last lines say. */
function useTicks(task: Task): number[] {
  const api = useApi();
  const after = Math.max(0, task.logLines - TICKS);
  const logs = useQuery({
    queryKey: [api.workspace, "ticks", task.id, task.logLines],
    queryFn: async () => (await api.get("/api/v1/tasks/{id}/logs", { path: { id: task.id }, query: { after, limit: TICKS } as never })).items.map((each) => Date.parse(each.at)),
    enabled: task.logLines > 0,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (before) => before,
  });
  return logs.data ?? NONE;
}

const NONE: number[] = [];

function linesOf(task: Task, calls: Call[], ticks: number[], now: number): Line[] {
  const created = Date.parse(task.createdAt);
  const began = task.startedAt ? Date.parse(task.startedAt) : now;
  const lines: Line[] = [
    { key: "queue", sequence: null, label: "queued", bars: [{ from: created, to: began, look: "queue" }], text: span(began - created), status: "" },
  ];
  const starts = startsOf(task);
  if (starts.length > 0) lines.push({ key: "sandbox", sequence: null, label: "sandbox", bars: starts.map(({ from, to }) => ({ from, to, look: "run" })), text: startsText(starts), status: "" });
  const approvals = grouped(task.approvals);
  for (const call of calls) {
    const from = Date.parse(call.startedAt);
    const to = call.finishedAt ? Date.parse(call.finishedAt) : now;
    const { bars, tries } = barsOf(call, approvals.get(call.sequence) ?? [], from, to);
    const word = call.status === "waiting" ? "waits" : call.status === "running" ? "…" : call.status === "succeeded" ? "ok" : call.status;
    const again = tries > 1 ? `, ${tries} tries` : "";
    lines.push({ key: call.id, sequence: call.sequence, label: call.tool, bars, text: `${span(Math.max(0, to - from))} ${word}${again}`, status: call.status });
  }
  if (ticks.length > 0) lines.push({ key: "logs", sequence: null, label: "logged", bars: ticks.map((at) => ({ from: at, to: at, look: "tick" })), text: count(task.logLines, "line"), status: "" });
  return lines;
}

type Start = { from: number; to: number };

/** A sandbox is often had in less than the clock tells. */
const brief = (ms: number) => (ms < 1 ? "< 1 ms" : span(ms));

/** The starts of its sandbox: the first, and one for each time it was taken up again. */
function startsOf(task: Task): Start[] {
  return (task.sandboxStarts ?? []).map((each) => ({ from: Date.parse(each.askedAt), to: Date.parse(each.askedAt) + each.tookMs }));
}

function startsText(starts: Start[]): string {
  const last = starts.at(-1);
  const took = last ? brief(last.to - last.from) : "";
  return starts.length > 1 ? `${took}, start ${starts.length}` : took;
}

/** A call over time: each wait for a person, and each time that it was sent, is a bar of its own. */
function barsOf(call: Call, approvals: Approval[], from: number, to: number): { bars: Bar[]; tries: number } {
  const isBad = call.status === "failed" || call.status === "denied" || call.status === "unknown";
  const last = call.status === "running" ? "run" : isBad ? "bad" : "ok";
  if (approvals.length === 0) {
    const sent = call.sentAt ? Math.min(Date.parse(call.sentAt), to) : from;
    return { bars: call.status === "waiting" ? [] : [{ from: Math.min(sent, to), to, look: last }], tries: 1 };
  }
  const bars: Bar[] = [];
  let tries = 0;
  // Since when it is on its way; a call that policy allowed was sent before anybody was asked about it.
  let sent: number | null = approvals[0]?.question === "send" ? null : from;
  for (const each of approvals) {
    const asked = Date.parse(each.createdAt);
    if (sent !== null) {
      // What its source asks in the middle belongs to the same try.
      const isLost = each.question === "send_again";
      bars.push({ from: sent, to: Math.max(sent, asked), look: isLost ? "bad" : "ok" });
      if (isLost) tries += 1;
    }
    const answered = Math.max(asked, each.decidedAt ? Date.parse(each.decidedAt) : to);
    bars.push({ from: asked, to: answered, look: "wait" });
    sent = each.status === "approved" ? answered : null;
  }
  if (sent !== null && call.status !== "waiting") {
    bars.push({ from: Math.min(sent, to), to, look: last });
    tries += 1;
  } else if (isBad) {
    bars.push({ from: to, to, look: "bad" });
  }
  return { bars, tries };
}

function grouped(approvals: Approval[]): Map<number, Approval[]> {
  const found = new Map<number, Approval[]>();
  for (const each of approvals) found.set(each.sequence, [...(found.get(each.sequence) ?? []), each]);
  return found;
}

type TableProps = { task: Task; calls: Call[]; ticks: number[]; start: number; now: number; selected: number | null; onSelect: (sequence: number) => void };

/** What a person was asked, by the question. */
const ASKED: Record<string, string> = { send: "waited for a decision", send_again: "waited for a word whether to send it again", input: "waited for an answer to its source" };

function Table({ task, calls, ticks, start, now, selected, onSelect }: TableProps) {
  const names = useNames();
  const approvals = useMemo(() => grouped(task.approvals), [task.approvals]);
  const [firstTick] = ticks;
  return (
    <div className="overflow-auto p-3" tabIndex={0} role="group" aria-label="Calls as a table">
      <table className="w-full text-left">
        <thead className="text-meta text-ink3">
          <tr>
            {["#", "Tool", "Status", "Policy", "At", "Took"].map((name) => (
              <th key={name} className="pr-3 font-normal">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Phase name="queued" from={start} start={start} took={(task.startedAt ? Date.parse(task.startedAt) : now) - start} />
          {startsOf(task).map((each, i) => (
            <Phase key={each.from} name={i === 0 ? "sandbox" : `sandbox, start ${i + 1}`} from={each.from} start={start} took={each.to - each.from} />
          ))}
          {calls.map((call) => (
            <Fragment key={call.id}>
              <tr className={cx("border-t border-line", call.sequence === selected && "bg-select")}>
                <td className="pr-3 font-mono">{call.sequence}</td>
                <td className="pr-3">
                  <button type="button" className="text-left text-accent underline" onClick={() => onSelect(call.sequence)}>
                    <ToolPath path={call.tool} />
                  </button>
                </td>
                <td className="pr-3">
                  <Status of={call.status} />
                </td>
                <td className="pr-3">{call.decision === "none" ? "built in" : <Decision of={call.decision} />}</td>
                <td className="pr-3 font-mono whitespace-nowrap">+{span(Date.parse(call.startedAt) - start)}</td>
                <td className="font-mono whitespace-nowrap">{span((call.finishedAt ? Date.parse(call.finishedAt) : now) - Date.parse(call.startedAt))}</td>
              </tr>
              {approvals.get(call.sequence)?.map((each) => (
                <Phase
                  key={each.id}
                  name={ASKED[each.question] ?? "waited for a person"}
                  status={
                    <>
                      {each.status}
                      {each.decidedBy && ` by ${names(each.decidedBy)}`}
                    </>
                  }
                  from={Date.parse(each.createdAt)}
                  start={start}
                  took={(each.decidedAt ? Date.parse(each.decidedAt) : call.finishedAt ? Date.parse(call.finishedAt) : now) - Date.parse(each.createdAt)}
                />
              ))}
            </Fragment>
          ))}
          {firstTick !== undefined && <Phase name={`logged ${count(task.logLines, "line")}`} from={firstTick} start={start} took={(ticks.at(-1) ?? firstTick) - firstTick} />}
        </tbody>
      </table>
    </div>
  );
}

/** What is no call, in the table of calls. */
function Phase({ name, status, from, start, took }: { name: string; status?: ReactNode; from: number; start: number; took: number }) {
  return (
    <tr className="border-t border-line text-ink2">
      <td />
      <td className="pr-3">{name}</td>
      <td className="pr-3">{status}</td>
      <td />
      <td className="pr-3 font-mono whitespace-nowrap">+{span(from - start)}</td>
      <td className="font-mono whitespace-nowrap">{brief(Math.max(0, took))}</td>
    </tr>
  );
}
