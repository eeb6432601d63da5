// The dynamic isolate around one program on the runtime `cloudflare-worker`.
//
// Loaded by `runtimes/cloudflare-worker/src/index.ts` with no network and one
// binding, `HOST`, whose one method carries a turn's events out and the next
// command in. The program shares this realm, so `world.js` takes from it all
// that the platform put there, before the program is called.

import { WorkerEntrypoint } from "cloudflare:workers";
import load from "task.ts";
import world from "world.js";

const later = setTimeout;

export default class Session extends WorkerEntrypoint {
  // `start` is the first command; done when the session is over.
  run(start) {
    const { HOST } = this.env;
    return new Promise((resolve, reject) => {
      let events = "";
      const exchange = () => {
        const said = `{"events":[${events}]}`;
        events = "";
        HOST.exchange(said).then((command) => {
          if (command === '{"t":"over"}') resolve();
          else turn(command, load);
        }, reject);
      };
      const turn = world({
        __proto__: null,
        noEval: true,
        hop: (callback) => { later(callback, 0); },
        post(text, last) {
          events += (events && ",") + text;
          if (last) later(exchange, 0);
        },
      });
      turn(start, load);
    });
  }
}
