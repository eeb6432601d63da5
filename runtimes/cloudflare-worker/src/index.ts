// The Worker that runs programs of Executor in dynamic isolates.
//
// `POST /run` comes from Executor, with the shared secret. The program is loaded
// through the Worker Loader into an isolate of its own with no network and one
// binding: `Exchange`, which carries each turn's events to Executor's
// `exchangeUrl` with the run's own token, and the next command back. The secret
// and the token never enter the isolate. Only types are used that can be erased,
// so that workerd runs this file as it is.

import { WorkerEntrypoint } from "cloudflare:workers";

interface Env {
  LOADER: WorkerLoader;
  EXECUTOR_SECRET: string;
}

interface Run {
  protocol: number;
  exchangeUrl: string;
  token: string;
  compatibilityDate: string;
  modules: Record<string, string>;
  start: string;
  cpuMs: number;
}

interface Way {
  url: string;
  token: string;
}

// Raised together with `src/foreign/edge.rs` when either side changes what it says.
const PROTOCOL = 1;
const NOTHING_YET = '{"t":"wait"}';

/** The one way out of a dynamic isolate; where it leads is fixed when it is made. */
export class Exchange extends WorkerEntrypoint<Env, Way> {
  async exchange(said: string): Promise<string> {
    const { url, token } = this.ctx.props;
    let body = said;
    for (;;) {
      const answer = await fetch(url, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body,
        redirect: "manual",
      });
      const command = await answer.text();
      if (answer.status !== 200) throw new Error(`Executor refused the exchange with status ${answer.status}`);
      if (command !== NOTHING_YET) return command;
      body = '{"events":[]}';
    }
  }
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    if (new URL(request.url).pathname !== "/run" || request.method !== "POST") return new Response(null, { status: 404 });
    if (!(await isExecutor(request, env))) return new Response(null, { status: 401 });
    const run: Run = await request.json();
    if (run.protocol !== PROTOCOL) {
      return Response.json({ protocol: PROTOCOL }, { status: 409 });
    }
    // The answer begins at once and ends with the session, so that nothing on the way takes it for dead.
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const ended = session(run, env, ctx).then((end) => writer.write(new TextEncoder().encode(JSON.stringify(end))));
    ctx.waitUntil(ended.then(() => writer.close()).catch(() => {}));
    return new Response(readable, { headers: { "content-type": "application/json" } });
  },
};

async function session(run: Run, env: Env, ctx: ExecutionContext): Promise<{ end: string; why?: string }> {
  const way: Way = { url: run.exchangeUrl, token: run.token };
  const limits = { cpuMs: run.cpuMs };
  const modules: Record<string, { js: string }> = {};
  for (const [name, js] of Object.entries(run.modules)) modules[name] = { js };
  try {
    const worker = env.LOADER.load({
      compatibilityDate: run.compatibilityDate,
      mainModule: "main.js",
      modules,
      globalOutbound: null,
      env: { HOST: ctx.exports.Exchange({ props: way }) },
      limits,
    });
    await worker.getEntrypoint().run(run.start);
    return { end: "over" };
  } catch (error) {
    const why = String(error).slice(0, 1000);
    if (/exceeded (its )?CPU/i.test(why)) return { end: "cpu", why };
    if (/exceeded (its )?memory/i.test(why)) return { end: "memory", why };
    return { end: "lost", why };
  }
}

/** Compares hashes, so that the time it takes says nothing of the secret. */
async function isExecutor(request: Request, env: Env): Promise<boolean> {
  if (!env.EXECUTOR_SECRET) return false;
  const hash = (text: string) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const given = await hash(request.headers.get("authorization") ?? "");
  const wanted = await hash(`Bearer ${env.EXECUTOR_SECRET}`);
  return crypto.subtle.timingSafeEqual(given, wanted);
}
