// A change that nobody has made yet, tried on recorded calls as soon as it is shown.
import { useQuery } from "@tanstack/react-query";
import type { NewBacktest } from "~/api/client";
import { useApi } from "~/api/queries";
import { Skeleton } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { BacktestView } from "./backtest";

/** What the change would do, or why it cannot be made. */
export function useTrial(body: NewBacktest, enabled = true) {
  const api = useApi();
  return useQuery({
    queryKey: [api.workspace, "policy", "backtest", JSON.stringify(body)],
    queryFn: () => api.post("/api/v1/policies/backtest", { body }),
    enabled,
    retry: false,
  });
}

export function Trial({ of }: { of: ReturnType<typeof useTrial> }) {
  if (of.data) return <BacktestView of={of.data} />;
  return of.error ? <Problem error={of.error} /> : <Skeleton rows={2} />;
}
