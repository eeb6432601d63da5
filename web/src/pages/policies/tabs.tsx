// Rules that are made on a level, and sets of rules that are assigned there.
import { Link } from "@tanstack/react-router";
import { useSession } from "~/api/queries";
import { cx } from "~/ui/basics";

export function PolicyTabs({ at }: { at: "rules" | "sets" }) {
  const { slug } = useSession();
  const look = (here: boolean) => cx("flex h-9 items-center border-b-2 px-2", here ? "border-accent font-semibold" : "border-transparent text-ink2");
  return (
    <nav aria-label="Policies" className="mb-4 flex flex-wrap gap-1 border-b border-line">
      <Link to="/w/$slug/policies" params={{ slug }} aria-current={at === "rules" ? "page" : undefined} className={look(at === "rules")}>
        Rules
      </Link>
      <Link to="/w/$slug/policies/sets" params={{ slug }} aria-current={at === "sets" ? "page" : undefined} className={look(at === "sets")}>
        Sets
      </Link>
    </nav>
  );
}
