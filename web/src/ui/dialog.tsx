// Dialogs: the focus stays inside and returns to where it was.
import { Dialog as Base } from "@base-ui/react/dialog";
import type { ReactNode, RefObject } from "react";
import { Button, cx } from "./basics";

export function Dialog({ open, onClose, title, children, footer, wide, initialFocus, alert, finalFocus }: {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  children: ReactNode;
  footer?: ReactNode;
  wide?: boolean;
  alert?: boolean;
  initialFocus?: RefObject<HTMLElement | null>;
  finalFocus?: RefObject<HTMLElement | null>;
}) {
  return (
    <Base.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-sunken opacity-80" />
        <Base.Popup
          role={alert ? "alertdialog" : "dialog"}
          initialFocus={initialFocus}
          finalFocus={finalFocus}
          className={cx(
            "fixed top-[8vh] left-1/2 z-50 flex max-h-[84vh] w-[calc(100vw-24px)] -translate-x-1/2 flex-col rounded-md border border-control bg-raised shadow-float outline-none",
            wide ? "max-w-4xl" : "max-w-xl",
          )}
        >
          <Base.Title className="border-b border-line px-4 py-3 text-item font-semibold break-words">{title}</Base.Title>
          <div tabIndex={-1} className="min-h-0 flex-1 overflow-auto p-4">
            {children}
          </div>
          <div className="flex flex-wrap items-center justify-end gap-2 border-t border-line px-4 py-3">
            {footer ?? <Button onClick={onClose}>Close</Button>}
          </div>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

/** Asks before something that cannot be taken back. The focus is on leaving it. */
export function Confirm({ open, onClose, onYes, title, children, verb, busy, blocked, error, look = "danger", cancelRef }: {
  open: boolean;
  onClose: () => void;
  onYes: () => void;
  title: ReactNode;
  children?: ReactNode;
  verb: string;
  busy?: boolean;
  /** Why it cannot be done yet. */
  blocked?: string | undefined;
  error?: ReactNode;
  look?: "danger" | "main";
  cancelRef: RefObject<HTMLButtonElement | null>;
}) {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={title}
      alert
      initialFocus={cancelRef}
      footer={
        <>
          <button ref={cancelRef} type="button" onClick={onClose} className="mr-auto inline-flex h-8 items-center rounded-md border border-control bg-raised px-3 hover:bg-sunken">
            Cancel
          </button>
          <Button look={look} onClick={onYes} disabled={busy} blocked={blocked}>
            {busy ? "One moment…" : verb}
          </Button>
        </>
      }
    >
      {children}
      {error}
    </Dialog>
  );
}
