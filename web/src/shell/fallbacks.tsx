// What is shown where a page cannot be: not there, broken, signed out.
import { Link, type ErrorComponentProps } from "@tanstack/react-router";
import { ApiError, signInAddress } from "~/api/client";
import { Button, buttonClass } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";
import { Problem } from "~/ui/state";

export function NotFound() {
  return (
    <main className="mx-auto flex max-w-xl flex-col items-start gap-3 p-6">
      <h1 className="text-page">Nothing is at this address</h1>
      <p className="text-ink2">It may have been removed, or belong to another workspace. Ctrl+K searches pages and tools.</p>
      <Link to="/" className={buttonClass("main")}>
        Go to the start
      </Link>
    </main>
  );
}

/** A part of the dashboard that is gone from the server: it runs another version now. */
function isStale(error: unknown): boolean {
  return error instanceof Error && /dynamically imported module|Importing a module script|module script failed|preload CSS/i.test(error.message);
}

/** In the place of a part that failed; what stands around it stays. */
export function Crash({ error, reset }: ErrorComponentProps) {
  if (isStale(error))
    return (
      <div className="mx-auto flex max-w-xl flex-col items-start gap-3 p-6" role="alert">
        <h1 className="text-page">The server runs another version</h1>
        <p className="text-ink2">This page belongs to the version before. Drafts of programs are kept.</p>
        <Button look="main" onClick={() => location.reload()}>
          Reload for the new version
        </Button>
      </div>
    );
  return (
    <div className="mx-auto max-w-xl p-6">
      <Problem error={error} retry={reset} />
    </div>
  );
}

export function SignedOut() {
  return (
    <main className="mx-auto flex max-w-xl flex-col items-start gap-3 p-6">
      <h1 className="text-page">Signed out</h1>
      <SignedOutWords />
      <SignedOutWays />
    </main>
  );
}

/** Over a page whose session ended in the middle: what was typed stays under it. */
export function SignedOutOver() {
  return (
    <Dialog open onClose={() => undefined} title="Signed out" alert footer={<SignedOutWays />}>
      <SignedOutWords />
    </Dialog>
  );
}

function SignedOutWords() {
  return (
    <>
      <p>This browser is not signed in, or not any more.</p>
      <p className="text-ink2">
        Whoever runs the server gets a link from <code>executor web</code>.
      </p>
    </>
  );
}

function SignedOutWays() {
  return (
    <div className="flex gap-2">
      <a href={signInAddress()} className={buttonClass("main")}>
        Sign in
      </a>
      <Button onClick={() => location.reload()}>Try again</Button>
    </div>
  );
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}
