// A text in TypeScript, to read and to copy.
import { Copy } from "~/ui/basics";
import { Seen } from "~/ui/text";

export function Declaration({ title, text }: { title: string; text: string }) {
  return (
    <section aria-label={title}>
      <div className="flex items-center">
        <h3 className="text-ink2">{title}</h3>
        <span className="ml-auto">
          <Copy text={text} />
        </span>
      </div>
      <pre tabIndex={0} className="overflow-x-auto rounded-md border border-line bg-surface p-3">
        <Seen text={text} />
      </pre>
    </section>
  );
}
