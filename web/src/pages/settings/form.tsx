// What the short forms of the settings have in common: fields in a row, a button, and why it failed.
import type { ReactNode } from "react";
import { Field } from "~/ui/basics";
import { Problem } from "~/ui/state";

type FormProps = { onSubmit: () => void; error?: unknown; children: ReactNode };

export function RowForm({ onSubmit, error = null, children }: FormProps) {
  return (
    <form
      className="flex flex-wrap items-end gap-3 p-3"
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {children}
      {error !== null && (
        <div className="basis-full">
          <Problem error={error} />
        </div>
      )}
    </form>
  );
}

/** One of the roles that the person may give. */
export function RoleField({ label, ranks, value, onChange }: { label: string; ranks: string[]; value: string; onChange: (role: string) => void }) {
  return (
    <Field label={label}>
      <select className="field" value={value} onChange={(event) => onChange(event.target.value)}>
        {ranks.map((each) => (
          <option key={each} value={each}>
            {each.replaceAll("_", " ")}
          </option>
        ))}
      </select>
    </Field>
  );
}
