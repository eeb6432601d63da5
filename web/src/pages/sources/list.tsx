// Where tools come from, and how each source is.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { credentials as allCredentials, sources as allSources, useApi, useMay, useSession } from "~/api/queries";
import { useRows } from "~/lib/rows";
import { Ago, buttonClass, cx, Empty, Page, Status } from "~/ui/basics";
import { Loaded } from "~/ui/state";
import { Seen } from "~/ui/text";

export function SourcesPage() {
  useRows("source");
  const { slug } = useSession();
  const api = useApi();
  const isAdmin = useMay("admin");
  const sources = useQuery(allSources(api));
  const credentials = useQuery(allCredentials(api)).data;
  const add = (
    <Link to="/w/$slug/sources/new" params={{ slug }} className={buttonClass("main")}>
      Add a source
    </Link>
  );
  return (
    <Page title="Sources" actions={isAdmin && add}>
      <Loaded query={sources}>
        {(items) =>
          items.length === 0 ? (
            <Empty action={isAdmin ? add : undefined}>No source is connected. A source is an API by its description: each operation becomes a tool.</Empty>
          ) : (
            <ul className="rounded-md border border-line bg-surface">
              {items.map((each) => {
                const isOpen = each.auth.length === 0 || (credentials ?? []).some((credential) => credential.source === each.name);
                return (
                  <li key={each.id} className="grid grid-cols-1 gap-x-4 gap-y-0.5 border-b border-line px-3 py-2 last:border-0 md:grid-cols-[minmax(0,2fr)_90px_110px_130px_minmax(0,2fr)] md:items-baseline">
                    <span className="min-w-0">
                      <Link to="/w/$slug/sources/$id" params={{ slug, id: each.id }} data-row className="font-semibold hover:underline">
                        {each.name}
                      </Link>{" "}
                      <span className="text-meta text-ink3">
                        {each.kind} · <Seen text={each.title} />
                      </span>
                    </span>
                    <span className="text-ink2">{each.toolCount.toLocaleString("en")} tools</span>
                    <Status of={each.status} />
                    <span className={cx("text-meta", isOpen ? "text-ink2" : "text-bad")}>
                      {isOpen ? (
                        <>
                          read <Ago at={each.refreshedAt} />
                        </>
                      ) : credentials ? (
                        "▲ no credential"
                      ) : (
                        ""
                      )}
                    </span>
                    <span className="min-w-0 truncate font-mono text-meta text-ink2">{each.reason ? <Seen text={each.reason} /> : <Seen text={each.baseUrl} />}</span>
                  </li>
                );
              })}
            </ul>
          )
        }
      </Loaded>
    </Page>
  );
}
