// This browser's part in being told while it is closed: its worker, its subscription, and what it shows.
import type { Api } from "~/api/client";
import { offsetHere, readQuiet } from "./quiet";
import { read, write } from "./store";

const WORKER = "/service-worker.js";
/** Under which the browser remembers, for a workspace, which of the person's browsers it is. */
const PLACE = "push.";

/** Why this browser cannot be told while it is closed, and what to do; null where it can. */
export function whyNot(): string | null {
  if (!window.isSecureContext) return "Browsers allow it only at an https address, or at http://localhost. Ask whoever runs the server to give it https, and open the dashboard there.";
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window))
    return "This browser cannot do it here. On an iPhone or iPad, add the dashboard to the home screen and open it there; in a private window, use a normal one.";
  return null;
}

/** The quiet hours of this browser, as the server takes them. */
export const quietHere = () => {
  const kept = read("quiet");
  return readQuiet(kept) ? `${kept}${offsetHere()}` : "none";
};

/** What a person would call this browser. */
export function nameHere(agent = navigator.userAgent): string {
  const first = (names: [RegExp, string][], or: string) => names.find(([sign]) => sign.test(agent))?.[1] ?? or;
  const browser = first([[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\/|FxiOS/, "Firefox"], [/CriOS|Chrome\//, "Chrome"], [/Safari\//, "Safari"]], "A browser");
  const system = first([[/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Android/, "Android"], [/Windows/, "Windows"], [/Mac OS X/, "Mac"], [/CrOS/, "ChromeOS"], [/Linux/, "Linux"]], "");
  return system ? `${browser} on ${system}` : browser;
}

/** The key as browsers want it. */
function bytes(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (each) => each.charCodeAt(0));
}

const isFor = (subscription: PushSubscription, key: Uint8Array): boolean => {
  const own = subscription.options.applicationServerKey;
  return own === null || String(new Uint8Array(own)) === String(key);
};

/** Tells the server where this browser is reached. */
async function announce(api: Api, workspace: string, subscription: PushSubscription, name?: string): Promise<void> {
  const { endpoint, keys } = subscription.toJSON();
  const body = { endpoint, keys: { p256dh: keys?.p256dh, auth: keys?.auth }, quietHours: quietHere(), ...(name ? { name } : {}) };
  const added = await api.post("/api/v1/push/subscriptions", { body: body as never });
  write(PLACE + workspace, added.id);
}

/** Has this browser told while it is closed. The person has allowed notifications before. */
export async function begin(api: Api, workspace: string): Promise<void> {
  const key = bytes((await api.get("/api/v1/push/key")).publicKey);
  await navigator.serviceWorker.register(WORKER, { updateViaCache: "none" });
  const { pushManager } = await navigator.serviceWorker.ready;
  let subscription = await pushManager.getSubscription();
  if (subscription && !isFor(subscription, key)) {
    // It was made for another server at this address.
    await subscription.unsubscribe();
    subscription = null;
  }
  subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await announce(api, workspace, subscription, nameHere());
}

/** Forgets that this browser is told; the last workspace that lets it go ends it for good. */
export async function forget(workspace: string): Promise<void> {
  write(PLACE + workspace, null);
  if (Object.keys(localStorage).some((name) => name.startsWith(`executor.${PLACE}`))) return;
  const registration = await navigator.serviceWorker?.getRegistration();
  await (await registration?.pushManager?.getSubscription())?.unsubscribe();
}

/** Brings up to date, once for each load of the page, where this browser is reached and what belongs to it. */
export async function renew(api: Api, workspace: string): Promise<void> {
  if (whyNot()) return;
  try {
    const registration = await navigator.serviceWorker.register(WORKER, { updateViaCache: "none" });
    const subscription = await registration.pushManager.getSubscription();
    if (subscription && Notification.permission === "granted") await announce(api, workspace, subscription);
    else write(PLACE + workspace, null);
  } catch {
    // The next load tries again; settings show how it stands.
  }
}

/** Takes away what is shown of questions of a workspace that do not wait any more. */
export async function clear(workspace: string, waiting: Set<string>): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  for (const shown of (await registration?.getNotifications()) ?? []) {
    const of = shown.data as { workspace?: string; ids?: string[] } | null;
    if (of?.workspace === workspace && of.ids?.length && !of.ids.some((id) => waiting.has(id))) shown.close();
  }
}
