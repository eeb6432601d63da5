// The keys that act here.
import { allGroups } from "~/lib/keys";
import { useStored } from "~/lib/store";
import { Kbd } from "~/ui/basics";
import { Dialog } from "~/ui/dialog";

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [letters, setLetters] = useStored("letters");
  return (
    <Dialog open={open} onClose={onClose} title="Keys" wide>
      <label className="mb-4 flex items-center gap-2">
        <input type="checkbox" checked={letters !== "off"} onChange={(event) => setLetters(event.target.checked ? null : "off")} />
        Single letters act outside of fields
      </label>
      <div className="grid grid-cols-1 gap-6 md:grid-cols-2">
        {open &&
          allGroups().map((group, i) => (
            <section key={i}>
              <h3 className="mb-1 text-ink2">{group.name}</h3>
              <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1">
                {group.bindings.map((binding) => (
                  <div key={binding.keys} className="contents">
                    <dt className="flex flex-wrap gap-1">
                      {binding.keys.split(" / ").map((keys) => (
                        <Kbd key={keys}>{readable(keys)}</Kbd>
                      ))}
                    </dt>
                    <dd>{binding.label}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
      </div>
    </Dialog>
  );
}

function readable(keys: string): string {
  return keys
    .split(" ")
    .map((key) => (/^[A-Z]$/.test(key) ? `Shift ${key}` : key.replace("mod+", "Ctrl ").replace("ArrowDown", "↓").replace("ArrowUp", "↑")))
    .map((key) => (key.length === 1 ? key.toUpperCase() : key))
    .join(" then ");
}
