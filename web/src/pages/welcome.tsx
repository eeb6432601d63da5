// The first run: one button to meet the timeline and the inbox with the bundled example.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { apiOf } from "~/api/client";
import { entry, example as exampleOf } from "~/api/queries";
import { Button, buttonClass, Skeleton } from "~/ui/basics";
import { Problem } from "~/ui/state";
import { isSignedOut, SignedOut } from "~/shell/fallbacks";
import { Mark } from "~/shell/sidebar";

export function WelcomePage() {
  const known = useQuery(entry());
  const slug = known.data?.me.workspace.slug;
  if (known.error) return isSignedOut(known.error) ? <SignedOut /> : <main className="mx-auto max-w-xl p-6"><Problem error={known.error} /></main>;
  if (!slug) return <Skeleton />;
  return <Welcome slug={slug} />;
}

function Welcome({ slug }: { slug: string }) {
  const [api] = useState(() => apiOf(slug));
  const navigate = useNavigate();
  const example = useQuery(exampleOf(api));
  const [step, setStep] = useState("");
  const [error, setError] = useState<unknown>(null);
  const offered = example.data?.offered;
  const start = async () => {
    if (!offered) return;
    setError(null);
    try {
      setStep("Connecting the example…");
      const sources = (await api.get("/api/v1/sources")).items;
      const present = sources.find((each) => each.name === offered.name);
      if (present && present.origin !== offered.url) await api.delete("/api/v1/sources/{id}", { path: { id: present.id } });
      if (!present || present.origin !== offered.url)
        await api.post("/api/v1/sources", { body: { url: offered.url, name: offered.name, allowPrivate: true } as never });
      const credentials = (await api.get("/api/v1/credentials")).items;
      if (!credentials.some((each) => each.source === offered.name))
        await api.post("/api/v1/credentials", { body: { source: offered.name, value: offered.token, auth: offered.auth } as never });
      setStep("Starting the program…");
      const task = await api.post("/api/v1/tasks", { body: { code: offered.program, metadata: { label: "First program: pay for train tickets" } } as never });
      await navigate({ to: "/w/$slug/tasks/$id", params: { slug, id: task.id } });
    } catch (failure) {
      setError(failure);
      setStep("");
    }
  };
  return (
    <main className="mx-auto flex max-w-2xl flex-col items-start gap-5 px-4 py-10">
      <p className="flex items-center gap-2 text-item font-semibold">
        <Mark />
        Executor
      </p>
      <h1 className="text-page">One gate between agents and your APIs</h1>
      <p className="text-item text-ink2">
        Agents send programs. They run in a locked sandbox where every tool is a function. Each call is allowed, refused, or waits here for you.
      </p>
      <section className="w-full rounded-md border border-line bg-surface p-4" aria-labelledby="try">
        <h2 id="try" className="text-item">
          Try it now
        </h2>
        <p className="my-2">
          A small ledger comes with the program and needs no network. The first program reads its accounts, which is allowed, and makes a payment, which asks
          you.
        </p>
        {offered && (
          <details className="mb-3">
            <summary className="text-accent underline">See the program</summary>
            <pre className="mt-2 overflow-x-auto rounded-md border border-line bg-bg p-3" tabIndex={0}>
              {offered.program.trim()}
            </pre>
          </details>
        )}
        {error !== null && (
          <div className="mb-3">
            <Problem error={error} />
          </div>
        )}
        {example.data && !offered ? (
          <p className="text-ink2">This server does not offer the example: it is switched off, or the server is not bound to loopback.</p>
        ) : (
          <Button look="main" disabled={!offered || step !== ""} onClick={() => void start()}>
            {step || "Run the first program"}
          </Button>
        )}
      </section>
      <div className="grid w-full grid-cols-1 gap-4 md:grid-cols-2">
        <section className="rounded-md border border-line bg-surface p-4">
          <h2 className="text-item">Connect an agent</h2>
          <p className="my-2 text-ink2">Claude Code, Codex, Cursor, VS Code and others, over MCP.</p>
          <Link to="/w/$slug/clients" params={{ slug }} className={buttonClass()}>
            Show how
          </Link>
        </section>
        <section className="rounded-md border border-line bg-surface p-4">
          <h2 className="text-item">Add a source</h2>
          <p className="my-2 text-ink2">An API by the address or text of its description.</p>
          <Link to="/w/$slug/sources/new" params={{ slug }} className={buttonClass()}>
            Add a source
          </Link>
        </section>
      </div>
      <Link to="/w/$slug" params={{ slug }} className="text-accent underline">
        Go to the dashboard
      </Link>
    </main>
  );
}
