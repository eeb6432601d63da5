// All that was decided as a file: every page of it is read first, not only what is on the screen.
import { useState } from "react";
import type { Approval } from "~/api/client";
import { useApi, useNames } from "~/api/queries";
import { Button } from "~/ui/basics";
import { explain } from "~/ui/state";
import { toast } from "~/ui/toast";

export function Export({ statuses, fits }: { statuses: readonly string[]; fits: (approval: Approval) => boolean }) {
  const api = useApi();
  const names = useNames();
  const [read, setRead] = useState<number | null>(null);
  const run = async () => {
    setRead(0);
    try {
      const { asCsv, download, everyApproval } = await import("./csv");
      const all = (await everyApproval(api, statuses, setRead)).filter(fits);
      download("approvals.csv", asCsv(all, names));
      toast(`Exported ${all.length.toLocaleString("en")} approvals`);
    } catch (failure) {
      toast(`The export failed: ${explain(failure).title}`);
    } finally {
      setRead(null);
    }
  };
  return (
    <Button disabled={read !== null} onClick={() => void run()} hint="Everything that matches, as a table for other programs">
      {read === null ? "CSV" : `Reading ${read.toLocaleString("en")}…`}
    </Button>
  );
}
