// Hours in which this browser tells of nothing: by its own clock, also over midnight.

export type Quiet = { from: string; to: string };

const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;

/** What is kept, such as `22:00-07:00`; nothing where it is no such pair. */
export function readQuiet(kept: string | null): Quiet | null {
  const [from = "", to = "", ...rest] = (kept ?? "").split("-");
  return TIME.test(from) && TIME.test(to) && rest.length === 0 && from !== to ? { from, to } : null;
}

/** How far this computer's clock is ahead of that of Greenwich, such as `+02:00`. */
export function offsetHere(): string {
  const ahead = -new Date().getTimezoneOffset();
  const two = (n: number) => String(n).padStart(2, "0");
  return `${ahead < 0 ? "-" : "+"}${two(Math.floor(Math.abs(ahead) / 60))}:${two(Math.abs(ahead) % 60)}`;
}

/** Whether these hours hold at a time of the day; the last minute is not among them. */
export function isQuiet(hours: Quiet | null, at: Date): boolean {
  if (!hours) return false;
  const now = `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
  return hours.from < hours.to ? now >= hours.from && now < hours.to : now >= hours.from || now < hours.to;
}
