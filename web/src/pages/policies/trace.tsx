// The rules that were looked at for one call, in order.
import { Link } from "@tanstack/react-router";
import type { LookedAt } from "~/api/client";
import { useSession } from "~/api/queries";
import { cx } from "~/ui/basics";
import { Seen } from "~/ui/text";

export function LookedAtList({ of }: { of: LookedAt[] }) {
  const { slug } = useSession();
  if (of.length === 0) return <p className="text-ink2">There was no rule; the default for its risk decided.</p>;
  const near = of.filter((each) => each.near).length;
  return (
    <>
      {near > 0 && <p className="mb-1 text-ink2">{near === 1 ? "1 rule about this tool nearly matched" : `${near} rules about this tool nearly matched`}; they are marked ◐.</p>}
    <ol className="flex flex-col">
      {of.map((each, i) => (
        <li key={i} className={cx("flex flex-wrap gap-x-3 border-t border-line py-1", each.matched && "font-semibold")}>
          <span className={each.text?.set ? "text-ink2" : "w-24 text-ink2"}>
            {each.level}
            {each.text?.set && (
              <>
                , set <Seen text={each.text.set.name} />
              </>
            )}
          </span>
          <Link to="/w/$slug/policies/$id" params={{ slug, id: each.rule }} className="text-accent underline">
            <Seen text={each.text?.note || each.rule} />
          </Link>
          <span className="min-w-0 flex-1 basis-60">
            {each.matched ? "● matches: " : each.near ? <span className="text-ink">◐ nearly: </span> : "○ "}
            <Seen text={each.why} />
          </span>
        </li>
      ))}
    </ol>
    </>
  );
}
