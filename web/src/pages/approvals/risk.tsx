// The word for a call's risk with the reasons that the server gives: never one without the other.
import type { Approval } from "~/api/client";
import { Risk } from "~/ui/basics";
import { Seen } from "~/ui/text";

export function RiskReasons({ of }: { of: Approval }) {
  const reasons = of.riskReasons ?? [];
  return (
    <>
      <Risk of={of.risk} /> {reasons.length > 0 ? <Seen text={reasons.join(" · ")} /> : <span className="text-ink3">no reasons were recorded when it was asked</span>}
    </>
  );
}
