// The list of approvals. A long one is drawn as far as it is in sight.
import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useState } from "react";
import type { Approval } from "~/api/client";
import { useSession } from "~/api/queries";
import { Row } from "./row";

/** Below this many all are drawn, which is simpler to read for everything that reads pages. */
const WHOLE = 60;
/** Pixels of a row, about; each is measured. */
const ROW = 68;

type Props = {
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
  return props.approvals.length > WHOLE ? <Virtual {...props} /> : <All {...props} />;
}

function useRow({ search, open, marked, gone, onMark }: Props) {
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

function Virtual(props: Props) {
  const { name, approvals, scroller, open } = props;
  const row = useRow(props);
  const rows = useVirtualizer({ count: approvals.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 6, getItemKey: (i) => approvals[i]?.id ?? i });
  // What scrolls stands around this, so it is there only after the first drawing.
  const [, setThere] = useState(false);
  useEffect(() => setThere(true), []);
  const at = approvals.findIndex((each) => each.id === open);
  useEffect(() => {
    if (at >= 0) rows.scrollToIndex(at, { align: "auto" });
  }, [at, rows]);
  return (
    <ul aria-label={name} className="relative" style={{ height: rows.getTotalSize() }}>
      {rows.getVirtualItems().map((item) => {
        const each = approvals[item.index];
        return each ? <Row key={each.id} {...row(each)} place={{ index: item.index, top: item.start, of: approvals.length, measure: rows.measureElement }} /> : null;
      })}
    </ul>
  );
}
