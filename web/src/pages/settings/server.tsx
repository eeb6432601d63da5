// How the server and its parts are.
import { useQuery } from "@tanstack/react-query";
import { health as serverHealth, useApi } from "~/api/queries";
import { Panel, Status } from "~/ui/basics";
import { Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";

export function ServerSection() {
  const query = useQuery(serverHealth(useApi()));
  return (
    <Panel title="Server">
      <Loaded query={query}>
        {(health) => (
          <>
            <p className="border-b border-line p-3">
              Version <code>{health.version}</code>, {health.ready ? "ready" : "not ready"}
            </p>
            <ul>
              {health.checks.map((each) => (
                <li key={each.name} className="grid grid-cols-1 gap-x-4 border-b border-line px-3 py-1.5 last:border-0 md:grid-cols-[200px_110px_1fr]">
                  <code>{each.name}</code>
                  <Status of={each.status} />
                  <span className="min-w-0 break-words">
                    <Seen text={each.message} />
                    {each.nextStep && (
                      <span className="block text-ink2">
                        <Seen text={each.nextStep} />
                      </span>
                    )}
                  </span>
                </li>
              ))}
            </ul>
          </>
        )}
      </Loaded>
    </Panel>
  );
}
