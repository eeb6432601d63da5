// The program with the calls beside the lines that made them.
import { useEffect, useRef } from "react";
import type { Call, Task } from "~/api/client";
import { Copy, cx } from "~/ui/basics";
import { Seen } from "~/ui/text";
import { OPEN } from "./title";

type Props = { task: Task; calls: Call[]; selected: number | null; onSelect: (sequence: number) => void };

export function Code({ task, calls, selected, onSelect }: Props) {
  const byLine = new Map<number, Call[]>();
  for (const call of calls) if (call.line) byLine.set(call.line, [...(byLine.get(call.line) ?? []), call]);
  const at = calls.find((each) => each.sequence === selected)?.line ?? null;
  const running = OPEN.has(task.status) ? new Set(calls.filter((each) => each.status === "waiting" || each.status === "running").map((each) => each.line)) : new Set();
  const here = useRef<HTMLLIElement>(null);
  useEffect(() => {
    // What scrolling gives back is no way to clean up.
    here.current?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <div className="relative">
      <div className="absolute top-1 right-1 rounded-md bg-bg">
        <Copy text={task.code} />
      </div>
      <ol className="overflow-x-auto py-2 font-mono" aria-label="Program" tabIndex={0}>
        {task.code.split("\n").map((text, i) => {
          const number = i + 1;
          const made = byLine.get(number);
          const isError = task.error?.line === number;
          return (
            <li key={number} ref={number === at ? here : undefined} className={cx("flex w-max min-w-full", number === at && "bg-select", isError && "border-l-2 border-bad")} aria-current={number === at ? "true" : undefined}>
              <span className="w-16 shrink-0 pr-3 text-right text-ink3 select-none">
                {running.has(number) && <span title="running here" className="text-run">▶ </span>}
                {made ? (
                  <button type="button" className="text-accent underline" aria-label={`Line ${number}, call ${made[0]?.sequence}`} onClick={() => made[0] && onSelect(made[0].sequence)}>
                    {number}
                  </button>
                ) : (
                  number
                )}
              </span>
              <span className="pr-24 whitespace-pre">
                <Seen text={text || " "} />
              </span>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
