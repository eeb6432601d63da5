// What is kept, how large it is and for how long.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { storage as kept, useApi, useMay, useSession } from "~/api/queries";
import { size } from "~/lib/time";
import { Facts, Panel, Status } from "~/ui/basics";
import { Loaded } from "~/ui/state";

export function StorageSection() {
  const { slug } = useSession();
  const isAdmin = useMay("admin");
  const query = useQuery({ ...kept(useApi()), enabled: isAdmin });
  if (!isAdmin) return <p>Needs the role admin.</p>;
  return (
    <Loaded query={query}>
      {(found) => (
        <>
          <Panel title="Database">
            <div className="p-3">
              <Facts
                of={[
                  ["Kind", found.database],
                  ["Size", `${size(found.bytes)}, of every workspace`],
                  [
                    "Tasks are kept",
                    <span key="k">
                      {found.retentionDays === 0 ? "for ever" : `for ${found.retentionDays} days after their end`};{" "}
                      <Link to="/w/$slug/settings/$section" params={{ slug, section: "workspace" }} className="text-accent underline">
                        change it
                      </Link>
                    </span>,
                  ],
                  ["Audit log", "kept for ever"],
                ]}
              />
            </div>
          </Panel>
          <Panel title="Tasks of this workspace">
            {found.tasks.length === 0 ? (
              <p className="p-3 text-ink2">None.</p>
            ) : (
              <ul>
                {found.tasks.map((each) => (
                  <li key={each.status} className="flex items-center gap-4 border-b border-line px-3 py-1.5 last:border-0">
                    <span className="w-40">
                      <Status of={each.status} />
                    </span>
                    <Link to="/w/$slug/tasks" params={{ slug }} search={{ status: each.status }} className="font-mono text-accent underline">
                      {each.count.toLocaleString("en")}
                    </Link>
                  </li>
                ))}
              </ul>
            )}
          </Panel>
        </>
      )}
    </Loaded>
  );
}
