// Settings, one section at a time.
import { Link, useParams } from "@tanstack/react-router";
import { useSession } from "~/api/queries";
import { cx, Page } from "~/ui/basics";
import { BrowserSection } from "./browser";
import { KeysSection } from "./keys";
import { MembersSection } from "./members";
import { OrganizationSection } from "./organization";
import { NotificationsSection } from "./notifications";
import { ServerSection } from "./server";
import { StorageSection } from "./storage";
import { WorkspaceSection } from "./workspace";

const SECTIONS = [
  ["workspace", "Workspace", WorkspaceSection],
  ["organization", "Organization", OrganizationSection],
  ["members", "Members", MembersSection],
  ["keys", "API keys", KeysSection],
  ["notifications", "Notifications", NotificationsSection],
  ["browser", "This browser", BrowserSection],
  ["storage", "Storage", StorageSection],
  ["server", "Server", ServerSection],
] as const;

export function SettingsPage() {
  const { slug } = useSession();
  const { section } = useParams({ strict: false }) as { section?: string };
  const [name, , Section] = SECTIONS.find(([each]) => each === section) ?? SECTIONS[0];
  return (
    <Page title="Settings">
      <nav aria-label="Settings" className="mb-4 flex flex-wrap gap-1 border-b border-line">
        {SECTIONS.map(([each, label]) => (
          <Link key={each} to="/w/$slug/settings/$section" params={{ slug, section: each }} aria-current={each === name ? "page" : undefined} className={cx("flex h-9 items-center border-b-2 px-2", each === name ? "border-accent font-semibold" : "border-transparent text-ink2")}>
            {label}
          </Link>
        ))}
      </nav>
      <Section />
    </Page>
  );
}
