// The least of an agent runner for workerd: each program is a dynamic isolate without a network,
// whose one binding leads to the class below and from there to the bench.

import { WorkerEntrypoint } from "cloudflare:workers";

export class Door extends WorkerEntrypoint {
  async log(text) {
    await this.#send("log", text);
  }

  // The answer stays text: the program's side parses it, as everywhere else in this comparison.
  async call(path, args) {
    return (await this.#send("call", JSON.stringify({ path, args }))).text();
  }

  #send(kind, body) {
    return this.env.BENCH.fetch(`http://bench/${kind}/${this.ctx.props.task}`, { method: "POST", body });
  }
}

const wrapped = (code) => `
async function program(tools, console) {
${code}
}
export default {
  async fetch(request, env) {
    const node = (path) => new Proxy(() => {}, {
      get: (_, key) => node(path ? path + "." + key : key),
      apply: async (_, self, [args]) => JSON.parse(await env.DOOR.call(path, args)),
    });
    const lines = [];
    const console = { log: (...values) => lines.push(env.DOOR.log(values.join(" "))) };
    const done = await program(node(""), console);
    await Promise.all(lines);
    return Response.json({ done });
  },
};`;

export default {
  async fetch(request, env, ctx) {
    const { task, code } = await request.json();
    const worker = env.LOADER.get(`task ${task}`, () => ({
      compatibilityDate: "2026-01-01",
      mainModule: "task.js",
      modules: { "task.js": wrapped(code) },
      env: { DOOR: ctx.exports.Door({ props: { task } }) },
      globalOutbound: null,
    }));
    return worker.getEntrypoint().fetch("http://task/");
  },
};
