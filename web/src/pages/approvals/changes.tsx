// What is different between two values, field by field.
import { compact, isFields, same } from "~/lib/json";
import { Seen } from "~/ui/text";

/** What is different between two objects, field by field. */
export function Changes({ from, to }: { from: unknown; to: unknown }) {
  const a = isFields(from) ? from : {};
  const b = isFields(to) ? to : {};
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((name) => !same(a[name], b[name]));
  if (names.length === 0) return <p className="text-ink2">Nothing is changed.</p>;
  return (
    <table className="w-full text-left">
      <thead>
        <tr className="text-ink3">
          <th className="pr-3 font-normal">Field</th>
          <th className="pr-3 font-normal">Before</th>
          <th className="font-normal">Now</th>
        </tr>
      </thead>
      <tbody className="font-mono">
        {names.map((name) => (
          <tr key={name} className="border-t border-line align-top">
            <td className="pr-3"><Seen text={name} /></td>
            <td className="pr-3 break-all line-through decoration-ink3">
              <Seen text={name in a ? compact(a[name]) : "–"} />
            </td>
            <td className="break-all">
              <Seen text={name in b ? compact(b[name]) : "–"} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
