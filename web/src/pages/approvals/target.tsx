// What a second step names: the verb and its target, as they are sent.
import { isFields } from "~/lib/json";
import { Seen } from "~/ui/text";

/** What is said before a call of such a risk is approved. Others are approved in one step. */
export const WARNINGS: Partial<Record<string, string>> = {
  destructive: "This call deletes or cannot be taken back.",
  unknown: "Nothing is known about what this call does.",
};

export function Target({ of }: { of: unknown }) {
  if (!isFields(of) || typeof of.method !== "string" || typeof of.url !== "string") return null;
  return (
    <>
      It sends{" "}
      <code className="break-all">
        <Seen text={`${of.method} ${of.url}`} />
      </code>
      .
    </>
  );
}
