// Starts the dashboard.
import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "~/api/client";
import { isSignedOut } from "~/shell/fallbacks";
import { router } from "./router";
import "./styles.css";

export const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // The session ended in the middle: who reads now is asked anew, and the answer is shown.
    onError: (error, query) => {
      if (isSignedOut(error) && query.queryKey[1] !== "me") void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[1] === "me" });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      // A refusal is an answer; only silence is worth another try.
      retry: (failures, error) => !(error instanceof ApiError && error.status < 500) && failures < 2,
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <CSPProvider nonce={nonce}>
        <QueryClientProvider client={client}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  );
}
