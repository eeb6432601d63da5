// What a task is called: the agent's label, else its first comment, else its first line.
import type { Task } from "~/api/client";
import { isFields } from "~/lib/json";

export const OPEN = new Set(["queued", "running", "waiting"]);

export function titleOf(task: Task): string {
  const metadata = isFields(task.metadata) ? task.metadata : {};
  for (const name of ["label", "title", "name"]) if (typeof metadata[name] === "string" && metadata[name] !== "") return metadata[name];
  const lines = task.code.split("\n").map((line) => line.trim());
  const comment = lines.find((line) => line.startsWith("//"))?.replace(/^\/+\s*/, "");
  return (comment || lines.find((line) => line !== "") || task.id).slice(0, 140);
}

/** How long a task has run, or ran. */
export function duration(task: Task, now: number): number | null {
  if (!task.startedAt) return null;
  return (task.finishedAt ? Date.parse(task.finishedAt) : now) - Date.parse(task.startedAt);
}

/** Since when somebody is waited for. */
export function waitingSince(task: Task): number | null {
  const pending = task.approvals.filter((each) => each.status === "pending");
  return pending.length > 0 ? Math.min(...pending.map((each) => Date.parse(each.createdAt))) : null;
}
