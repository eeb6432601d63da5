// Small parts that every page is made of.
import { type ButtonHTMLAttributes, type InputHTMLAttributes, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { ago, full, moment } from "~/lib/time";

export function cx(...classes: (string | false | null | undefined)[]): string {
  return classes.filter(Boolean).join(" ");
}

type Look = "main" | "plain" | "quiet" | "danger";
const LOOKS: Record<Look, string> = {
  main: "bg-ink text-bg border-ink hover:opacity-90",
  plain: "bg-raised text-ink border-control hover:bg-sunken",
  quiet: "border-transparent text-ink2 hover:bg-sunken hover:text-ink",
  danger: "bg-bad text-bg border-bad hover:opacity-90",
};

export type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: Look;
  small?: boolean;
  /** Why it cannot be pressed; such a button stays in reach, so that the reason can be read. */
  blocked?: string | undefined;
  hint?: string;
};

export function buttonClass(look: Look = "plain", small = false): string {
  return cx(
    "inline-flex items-center justify-center gap-2 rounded-md border whitespace-nowrap select-none font-[inherit]",
    small ? "h-7 px-2" : "h-8 px-3",
    LOOKS[look],
  );
}

export function Button({ look = "plain", small, blocked, hint, className, onClick, ...rest }: ButtonProps) {
  const off = blocked !== undefined || rest.disabled;
  return (
    <button
      type="button"
      {...rest}
      disabled={rest.disabled}
      aria-disabled={off || undefined}
      title={blocked ?? hint}
      onClick={blocked === undefined ? onClick : (event) => event.preventDefault()}
      className={cx(buttonClass(look, small), off && "opacity-50 cursor-not-allowed", className)}
    />
  );
}

export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className="inline-block min-w-5 rounded-sm border border-line bg-surface px-1 text-center text-meta text-ink2">
      {children}
    </kbd>
  );
}

/** A key in a button's label: the button's name stays the verb. */
export function Hot({ children }: { children: ReactNode }) {
  return (
    <span aria-hidden className="hidden font-mono text-meta opacity-70 md:inline">
      {children}
    </span>
  );
}

/** An hourglass: a letter for it is in few typefaces. */
export function Hourglass() {
  return (
    <svg viewBox="0 0 12 12" aria-hidden className="inline-block h-3 w-3">
      <path d="M3 1.5h6L3 10.5h6z" fill="none" stroke="currentColor" strokeWidth="1.2" strokeLinejoin="round" />
    </svg>
  );
}

const STATUS: Record<string, { shape: ReactNode; tone: string; word?: string }> = {
  queued: { shape: "○", tone: "text-ink2" },
  running: { shape: "◐", tone: "text-run" },
  waiting: { shape: "◆", tone: "text-wait" },
  pending: { shape: "◆", tone: "text-wait" },
  completed: { shape: "●", tone: "text-good", word: "done" },
  succeeded: { shape: "●", tone: "text-good", word: "ok" },
  approved: { shape: "●", tone: "text-good" },
  ready: { shape: "●", tone: "text-good" },
  ok: { shape: "●", tone: "text-good" },
  active: { shape: "●", tone: "text-good" },
  failed: { shape: "✕", tone: "text-bad" },
  problem: { shape: "✕", tone: "text-bad" },
  failing: { shape: "✕", tone: "text-bad" },
  denied: { shape: "⊘", tone: "text-bad" },
  timed_out: { shape: <Hourglass />, tone: "text-bad", word: "timed out" },
  expired: { shape: <Hourglass />, tone: "text-ink2" },
  withdrawn: { shape: "–", tone: "text-ink2" },
  canceled: { shape: "–", tone: "text-ink2" },
  disabled: { shape: "–", tone: "text-ink2" },
  untried: { shape: "○", tone: "text-ink2" },
  unknown: { shape: "?", tone: "text-bad", word: "outcome unknown" },
  degraded: { shape: "▲", tone: "text-bad" },
  warning: { shape: "▲", tone: "text-bad" },
};

/** A status as a word and a shape, so that color alone says nothing. */
export function Status({ of }: { of: string }) {
  const shown = STATUS[of] ?? { shape: "·", tone: "text-ink2" };
  return (
    <span className={cx("inline-flex items-center gap-1.5 whitespace-nowrap", shown.tone)}>
      <span aria-hidden className="w-3 text-center">
        {shown.shape}
      </span>
      {shown.word ?? of.replaceAll("_", " ")}
    </span>
  );
}

export function Risk({ of, short }: { of: string; short?: boolean }) {
  const loud = of === "destructive" || of === "unknown";
  return (
    <span
      title={short ? of : undefined}
      className={cx(
        "inline-block rounded-sm border px-1 text-meta whitespace-nowrap uppercase",
        loud ? "border-bad text-bad" : of === "write" ? "border-control text-ink" : "border-line text-ink2",
      )}
    >
      {short ? <span aria-label={of}>{of.slice(0, 1)}</span> : of}
    </span>
  );
}

export function Decision({ of }: { of: string }) {
  const tone = of === "ask" ? "text-wait" : of === "deny" ? "text-bad" : "text-ink2";
  const shape = of === "ask" ? "◆" : of === "deny" ? "⊘" : of === "allow" ? "●" : "·";
  return (
    <span className={cx("whitespace-nowrap", tone)}>
      <span aria-hidden>{shape}</span> {of}
    </span>
  );
}

export function Page({ title, actions, children, wide }: { title: ReactNode; actions?: ReactNode; children: ReactNode; wide?: boolean }) {
  return (
    <div className={cx("mx-auto w-full px-4 py-4 md:px-6", wide ? "max-w-[1600px]" : "max-w-5xl")}>
      <div className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="min-w-0 text-page break-words">{title}</h1>
        {actions && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
      </div>
      {children}
    </div>
  );
}

export function Panel({ title, actions, children, className }: { title?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string }) {
  const id = useId();
  return (
    <section aria-labelledby={title ? id : undefined} className={cx("mb-4 rounded-md border border-line bg-surface", className)}>
      {title && (
        <div className="flex min-h-10 flex-wrap items-center gap-2 border-b border-line px-3 py-1">
          <h2 id={id} className="text-body">
            {title}
          </h2>
          {actions && <div className="ml-auto flex items-center gap-2">{actions}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

/** Names and values. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(88px,max-content)_1fr] gap-x-4 gap-y-1">
      {of
        .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
        .map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-ink3">{name}</dt>
            <dd className="min-w-0 break-words">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

let ticking = 0;
const tickers = new Set<() => void>();

/** The time, once a second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const tick = () => setNow(Date.now());
    tickers.add(tick);
    if (!ticking) ticking = window.setInterval(() => tickers.forEach((each) => each()), 1000);
    return () => {
      tickers.delete(tick);
      if (tickers.size === 0) {
        window.clearInterval(ticking);
        ticking = 0;
      }
    };
  }, []);
  return now;
}

export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={full(at)} className="whitespace-nowrap">
      {ago(at, useNow())}
    </time>
  );
}

export function When({ at }: { at: string }) {
  return (
    <time dateTime={at} title={full(at)} className="whitespace-nowrap">
      {moment(at)}
    </time>
  );
}

export function Field({ label, hint, children, inline }: { label: ReactNode; hint?: ReactNode; children: ReactNode; inline?: boolean }) {
  return (
    <label className={cx("flex max-w-full min-w-0 gap-x-2 gap-y-1", inline ? "items-center" : "flex-col")}>
      <span className={inline ? "order-2" : "text-ink2"}>{label}</span>
      {children}
      {hint && <span className="text-meta text-ink3">{hint}</span>}
    </label>
  );
}

type SearchProps = Omit<InputHTMLAttributes<HTMLInputElement>, "value" | "onChange" | "type"> & { value: string; onText: (text: string) => void };

/**
 * A field whose text stands in the address. What is typed is the field's own as long as the person is in
 * it, so that an address that comes late takes no letter back; from elsewhere it is set by the address.
 */
export function SearchField({ value, onText, className, ...rest }: SearchProps) {
  const [text, setText] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (document.activeElement !== field.current) setText(value);
  }, [value]);
  return (
    <input
      ref={field}
      type="search"
      className={cx("field", className)}
      {...rest}
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        onText(event.target.value);
      }}
      onBlur={() => setText(value)}
    />
  );
}

export function Skeleton({ rows = 4, height = 32 }: { rows?: number; height?: number }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), 150);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <div role="status" aria-label="Loading" className={cx("flex flex-col gap-2 p-3", !late && "invisible")}>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="skeleton" ref={(node) => void (node && (node.style.height = `${height - 12}px`))} />
      ))}
    </div>
  );
}

export function Empty({ children, action }: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-start gap-3 p-4 text-ink2">
      <p className="max-w-[60ch]">{children}</p>
      {action}
    </div>
  );
}

/** Puts a text on the clipboard, also where the page is not in a secure context. */
export async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "fixed top-0 opacity-0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function Copy({ text, label = "Copy" }: { text: string | (() => string); label?: string }) {
  const [said, setSaid] = useState("");
  const timer = useRef(0);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  return (
    <Button
      small
      look="quiet"
      onClick={async () => {
        setSaid((await toClipboard(typeof text === "string" ? text : text())) ? "Copied" : "Select it and copy");
        timer.current = window.setTimeout(() => setSaid(""), 1500);
      }}
    >
      <span aria-live="polite">{said || label}</span>
    </Button>
  );
}

/** A link to a page of somebody else's: opened beside this one, and told nothing of it. */
export function Outside({ to, children }: { to: string; children: ReactNode }) {
  if (!/^https?:\/\//.test(to)) return <span className="break-all">{to}</span>;
  return (
    <a href={to} target="_blank" rel="noopener noreferrer" className="text-accent underline">
      {children}
      <span className="sr-only"> (opens a new page)</span>
    </a>
  );
}
