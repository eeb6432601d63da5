// Shows what this browser is told while no page is open, and opens what it leads to. It keeps no page,
// answers no request and decides nothing.

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => event.waitUntil(show(event.data)));

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.url));
});

/** What a message tells, each field checked: a browser shows something for every message it takes. */
function read(data) {
  let told = {};
  try {
    told = data?.json() ?? {};
  } catch {
    // It is shown as what it is: something that waits.
  }
  const text = (value, or) => (typeof value === "string" && value !== "" ? value : or);
  const ids = (value) => (Array.isArray(value) ? value.filter((each) => typeof each === "string") : []);
  return {
    title: text(told.title, "Something waits for you"),
    body: text(told.body, ""),
    url: text(told.url, "/approvals"),
    tag: text(told.tag, "executor"),
    workspace: text(told.workspace, ""),
    at: Number.isFinite(told.at) ? told.at : Date.now(),
    ids: ids(told.ids),
    over: new Set(ids(told.over)),
  };
}

async function show(data) {
  const told = read(data);
  const named = new Set(told.ids);
  for (const shown of await self.registration.getNotifications()) {
    const of = shown.data?.ids ?? [];
    const isOver = of.length > 0 && of.every((id) => told.over.has(id));
    // What a message of several names needs no note of its own any more.
    const isNamed = told.ids.length > 1 && of.length > 0 && of.every((id) => named.has(id));
    if (shown.tag !== told.tag && (isOver || isNamed)) shown.close();
  }
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const isWatched = windows.some((each) => each.focused);
  await self.registration.showNotification(told.title, {
    body: told.body,
    tag: told.tag,
    // The same question, told again, is heard again; the page in front tells by itself.
    renotify: !isWatched,
    silent: isWatched,
    timestamp: told.at,
    icon: "/assets/icon-waiting.svg",
    data: { url: told.url, ids: told.ids, workspace: told.workspace },
  });
}

/** Shows the page that already shows it, or opens one; never another site. */
async function open(path) {
  const url = new URL(typeof path === "string" ? path : "/approvals", self.location.origin);
  if (url.origin !== self.location.origin) return;
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const same = windows.find((each) => new URL(each.url).pathname === url.pathname);
  if (same) await same.focus();
  else await self.clients.openWindow(url.href);
}
