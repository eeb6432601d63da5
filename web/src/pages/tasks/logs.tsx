// What the program logged, as it comes. The tail is followed until the person scrolls up.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import type { LogLine, Task } from "~/api/client";
import { useApi, useSession } from "~/api/queries";
import { useVisible } from "~/lib/media";
import type { LiveEvent } from "~/live/stream";
import { download } from "~/pages/approvals/csv";
import { Button, Copy, cx, Skeleton } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { Seen } from "~/ui/text";

/** Lines that one request reads. */
const PAGE = 1_000;
/** Lines that are read at once when a long log is opened; older ones come on demand. */
const FIRST = 10_000;
const LEVELS = ["debug", "log", "info", "warn", "error"];
const TONES: Record<string, string> = { error: "text-bad", warn: "font-semibold", debug: "text-ink3" };

/** With `until`, only what was logged up to that moment, in milliseconds since 1970. */
export function Logs({ task, until = null }: { task: Task; until?: number | null }) {
  const { lines, error, from, older, isLoading } = useLines(task);
  const [search, setSearch] = useState("");
  const [level, setLevel] = useState("debug");
  const [wrap, setWrap] = useState(true);
  const [paused, setPaused] = useState<number | null>(null);
  const shown = useMemo(() => {
    const least = LEVELS.indexOf(level);
    const words = search.toLowerCase();
    return lines.filter((line) => (paused === null || line.line <= paused) && (until === null || Date.parse(line.at) <= until) && LEVELS.indexOf(line.level) >= least && (!words || line.text.toLowerCase().includes(words)));
  }, [lines, level, search, paused, until]);
  const scroller = useRef<HTMLDivElement>(null);
  const isTail = useRef(true);
  const lastTop = useRef(0);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => 20, overscan: 20 });
  useEffect(() => {
    if (isTail.current && shown.length > 0) rows.scrollToIndex(shown.length - 1, { align: "end" });
  }, [shown.length, rows]);
  if (error && lines.length === 0) return <div className="p-3"><Problem error={error} /></div>;
  if (isLoading && lines.length === 0) return <Skeleton />;
  const text = () => shown.map((line) => `${line.at} ${line.level} ${line.text}`).join("\n");
  return (
    <div className="flex h-full min-h-80 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-1">
        <select aria-label="Least level" className="field h-7" value={level} onChange={(event) => setLevel(event.target.value)}>
          {LEVELS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
        <input type="search" aria-label="Search logs" placeholder="Search" className="field h-7 w-36" value={search} onChange={(event) => setSearch(event.target.value)} />
        <Button small look="quiet" aria-pressed={paused !== null} onClick={() => setPaused(paused === null ? (lines.at(-1)?.line ?? 0) : null)}>
          {paused === null ? "Pause" : `Go on (${lines.filter((line) => line.line > paused).length} held)`}
        </Button>
        <Button small look="quiet" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>
          Wrap
        </Button>
        <span className="ml-auto flex">
          <Copy text={text} />
          <Button small look="quiet" onClick={() => download(`${task.id}.log`, text(), "text/plain")}>
            Download
          </Button>
        </span>
      </div>
      {from > 0 && (
        <Button small look="quiet" onClick={older}>
          Read the {Math.min(from, PAGE * 5).toLocaleString("en")} lines before
        </Button>
      )}
      {shown.length === 0 ? (
        <p className="p-4 text-ink2">{lines.length === 0 ? "Nothing was logged." : "No line matches."}</p>
      ) : (
        <div
          ref={scroller}
          tabIndex={0}
          role="log"
          aria-label="Log lines"
          aria-live="off"
          className="min-h-0 flex-1 overflow-auto py-1 font-mono"
          onScroll={(event) => {
            // Lines that come below move nothing up: only the person does.
            const box = event.currentTarget;
            if (box.scrollHeight - box.scrollTop - box.clientHeight < 24) isTail.current = true;
            else if (box.scrollTop < lastTop.current - 1) isTail.current = false;
            lastTop.current = box.scrollTop;
          }}
        >
          <div className="relative" style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map((item) => {
              const line = shown[item.index];
              if (!line) return null;
              return (
                <div key={line.line} ref={rows.measureElement} data-index={item.index} style={{ transform: `translateY(${item.start}px)` }} className={cx("absolute inset-x-0 top-0 flex gap-3 px-3", TONES[line.level])}>
                  <span className="w-8 shrink-0 text-right text-ink3 select-none">{line.line}</span>
                  <span className="w-10 shrink-0 text-ink3 select-none">{line.level}</span>
                  <span className={cx("min-w-0", wrap ? "whitespace-pre-wrap break-words" : "whitespace-pre")}>
                    <Seen text={line.text} />
                  </span>
                </div>
              );
            })}
          </div>
        </div>
      )}
    </div>
  );
}

/** The lines of a task: the last ones at once, new ones as the stream brings them. */
function useLines(task: Task) {
  const api = useApi();
  const start = useRef(Math.max(0, task.logLines - FIRST));
  const [from, setFrom] = useState(start.current);
  const [lines, setLines] = useState<LogLine[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [isLoading, setLoading] = useState(true);
  const last = useRef(start.current);
  const reading = useRef(false);
  const read = async () => {
    if (reading.current) return;
    reading.current = true;
    try {
      for (;;) {
        const page = await api.get("/api/v1/tasks/{id}/logs", { path: { id: task.id }, query: { after: last.current, limit: PAGE } as never });
        if (page.items.length === 0) break;
        last.current = page.items.at(-1)?.line ?? last.current;
        setLines((now) => [...now, ...page.items]);
        if (page.items.length < PAGE) break;
      }
    } catch (failure) {
      setError(failure);
    } finally {
      reading.current = false;
      setLoading(false);
    }
  };
  useEffect(() => void read(), [task.id, task.logLines, task.status]);
  // The stream of the task, while somebody looks and the task may still log.
  const isVisible = useVisible();
  const isOpen = isVisible && !task.finishedAt;
  const begin = useSession().me.lastEvent;
  useEffect(() => {
    if (!isOpen) return;
    const query = new URLSearchParams({ workspace: api.workspace ?? "", after: String(begin) });
    const source = new EventSource(`/api/v1/tasks/${encodeURIComponent(task.id)}/events?${query}`);
    source.addEventListener("log", (message) => {
      const event = JSON.parse((message as MessageEvent<string>).data) as LiveEvent;
      const line = Number(event.data.line);
      if (line === last.current + 1 && !reading.current) {
        last.current = line;
        setLines((now) => [...now, { line, level: String(event.data.level), text: String(event.data.text), at: event.at }]);
      } else if (line > last.current) void read();
    });
    // What was logged while nobody looked.
    source.onopen = () => void read();
    return () => source.close();
  }, [isOpen, task.id, begin, api.workspace]);
  const older = async () => {
    const begin = Math.max(0, from - PAGE * 5);
    const before: LogLine[] = [];
    for (let after = begin; after < from; after += PAGE) {
      const page = await api.get("/api/v1/tasks/{id}/logs", { path: { id: task.id }, query: { after, limit: Math.min(PAGE, from - after) } as never });
      before.push(...page.items);
    }
    setFrom(begin);
    setLines((now) => [...before, ...now]);
  };
  return { lines, error, from, older: () => void older().catch(setError), isLoading };
}
