// A long list of approvals, drawn as far as it is in sight.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useState } from "react";
import { Row } from "./row";
import { type Props, useRow } from "./rows";

/** Pixels of a row, about; each is measured. */
const ROW = 68;

export default function Many(props: Props) {
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
