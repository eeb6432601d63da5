// What this browser alone remembers: look, size, letters.
import { useStored } from "~/lib/store";
import { applyTheme } from "~/shell/sidebar";
import { Field, Panel } from "~/ui/basics";
import { Sessions } from "./sessions";

export function BrowserSection() {
  const [theme, setTheme] = useStored("theme");
  const [size, setSize] = useStored("size");
  const [letters, setLetters] = useStored("letters");
  return (
    <>
      <Panel title="This browser">
        <div className="flex flex-col gap-4 p-3">
          <div className="flex flex-wrap gap-4">
            <Field label="Theme">
              <select
                className="field"
                value={theme ?? ""}
                onChange={(event) => {
                  setTheme(event.target.value || null);
                  applyTheme(event.target.value || null);
                }}
              >
                <option value="">as the system</option>
                <option value="light">light</option>
                <option value="dark">dark</option>
              </select>
            </Field>
            <Field label="Size">
              <select
                className="field"
                value={size ?? "dense"}
                onChange={(event) => {
                  setSize(event.target.value);
                  document.documentElement.dataset.size = event.target.value;
                }}
              >
                <option value="dense">dense</option>
                <option value="comfortable">comfortable</option>
              </select>
            </Field>
          </div>
          <label className="flex items-center gap-2">
            <input type="checkbox" checked={letters !== "off"} onChange={(event) => setLetters(event.target.checked ? null : "off")} />
            Single letters act as keys outside of fields
          </label>
        </div>
      </Panel>
      <Sessions />
    </>
  );
}
