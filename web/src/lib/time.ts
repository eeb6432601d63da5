// Times and durations in few characters.

const two = (n: number) => String(Math.floor(n)).padStart(2, "0");

/** `00:41`, `12:05:09`, `3 d 04 h`. */
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s >= 86_400) return `${Math.floor(s / 86_400)} d ${two((s % 86_400) / 3600)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}:${two((s % 3600) / 60)}:${two(s % 60)}`;
  return `${two(s / 60)}:${two(s % 60)}`;
}

/** `412 ms`, `2.3 s`, `4 min 05 s`. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${two((ms % 60_000) / 1000)} s`;
  return clock(ms);
}

/** A round length of time: `45 s`, `30 min`, `2 h`, `7 d`; what is not round keeps its seconds. */
export function period(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s >= 86_400 && s % 86_400 < 60) return `${Math.floor(s / 86_400)} d`;
  if (s >= 3600 && s % 3600 < 60) return `${Math.floor(s / 3600)} h`;
  if (s >= 60 && s % 60 === 0) return `${s / 60} min`;
  return s < 60 ? `${s} s` : span(s * 1000);
}

/** `now`, `41 s ago`, `9 min ago`, `3 h ago`, `2 d ago`. */
export function ago(iso: string, now: number): string {
  const s = Math.round((now - Date.parse(iso)) / 1000);
  if (s < 2) return "now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86_400)} d ago`;
}

/** The time of the day, with the date where it is another day. */
export function moment(iso: string): string {
  const date = new Date(iso);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.toDateString() === new Date().toDateString()) return time;
  const day = date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
  return `${day} ${time}`;
}

export function full(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(bytes < 10_240 ? 1 : 0)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}
