// What came of a task: its result, or why there is none.
import type { Task } from "~/api/client";
import { JsonView } from "~/ui/json";
import { Seen } from "~/ui/text";
import { OPEN } from "./title";

export function Result({ task }: { task: Task }) {
  if (OPEN.has(task.status)) return <p className="p-4 text-ink2">There is no result yet.</p>;
  return (
    <div className="p-3">
      {task.error && (
        <div role="group" aria-label="Error" className="mb-3 rounded-md border border-bad p-3">
          <p className="font-semibold text-bad">
            ✕ <code>{task.error.code}</code>
            {task.error.line && ` at line ${task.error.line}${task.error.column ? `, column ${task.error.column}` : ""}`}
          </p>
          <p className="mt-1 whitespace-pre-wrap break-words">
            <Seen text={task.error.message} />
          </p>
          {task.error.stack && (
            <pre className="mt-2 overflow-x-auto text-ink2" tabIndex={0}>
              <Seen text={task.error.stack} />
            </pre>
          )}
        </div>
      )}
      {task.status === "completed" && <JsonView value={task.result ?? null} name="result" />}
    </div>
  );
}
