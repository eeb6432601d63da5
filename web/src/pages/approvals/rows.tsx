// The list of approvals. A long one is drawn as far as it is in sight.
import { lazy, type RefObject, Suspense } from "react";
import type { Approval } from "~/api/client";
import { useSession } from "~/api/queries";
import { Skeleton } from "~/ui/basics";
import { Row } from "./row";

/** Seldom wanted, and it brings the arithmetic of long lists along. */
const Many = lazy(() => import("./many"));

/** Below this many all are drawn, which is simpler to read for everything that reads pages. */
const WHOLE = 60;

export type Props = {
  name: string;
  approvals: Approval[];
  /** What scrolls. */
  scroller: RefObject<HTMLDivElement | null>;
  search: object;
  open: string | undefined;
  marked: string[];
  gone: Set<string>;
  onMark: ((id: string) => void) | undefined;
};

export function Rows(props: Props) {
  if (props.approvals.length <= WHOLE) return <All {...props} />;
  return (
    <Suspense fallback={<Skeleton rows={6} height={56} />}>
      <Many {...props} />
    </Suspense>
  );
}

export function useRow({ search, open, marked, gone, onMark }: Props) {
  const { slug } = useSession();
  return (each: Approval) => ({
    approval: each,
    slug,
    search,
    isOpen: each.id === open,
    isMarked: marked.includes(each.id),
    isGone: gone.has(each.id),
    onMark: onMark && (() => onMark(each.id)),
  });
}

function All(props: Props) {
  const row = useRow(props);
  return (
    <ul aria-label={props.name}>
      {props.approvals.map((each) => (
        <Row key={each.id} {...row(each)} />
      ))}
    </ul>
  );
}
