// What a tool's schema says of its arguments, in a word for each: drawn beside the values, never in their
// place.
import { isFields } from "~/lib/json";

export type Known = { type: string; isRequired: boolean; description?: string };

/** The arguments that a schema knows, in its order; null where it does not say. */
export function fieldsOf(schema: unknown): Map<string, Known> | null {
  const root = resolved(schema, schema);
  if (!isFields(root) || !isFields(root.properties)) return null;
  const required = Array.isArray(root.required) ? root.required : [];
  return new Map(
    Object.entries(root.properties).map(([name, each]) => {
      const field = resolved(each, schema);
      const description = isFields(field) && typeof field.description === "string" ? field.description : undefined;
      return [name, { type: typeOf(each, schema), isRequired: required.includes(name), ...(description ? { description } : {}) }];
    }),
  );
}

function resolved(schema: unknown, root: unknown, depth = 0): unknown {
  if (!isFields(schema) || typeof schema.$ref !== "string" || depth > 8) return schema;
  const path = schema.$ref.replace(/^#\//, "").split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  let found: unknown = root;
  for (const part of path) found = isFields(found) ? found[part] : undefined;
  return resolved(found, root, depth + 1);
}

/** A schema's type in a few words, such as `integer`, `string[]`, `one of 3`, `date-time`. */
function typeOf(schema: unknown, root: unknown, depth = 0): string {
  const named = isFields(schema) && typeof schema.$ref === "string" ? (schema.$ref.split("/").at(-1) ?? "") : "";
  const of = resolved(schema, root);
  if (!isFields(of) || depth > 3) return named || "any";
  if (Array.isArray(of.enum)) return `one of ${of.enum.length}`;
  if (of.const !== undefined) return "fixed";
  for (const way of ["oneOf", "anyOf"]) {
    const choices = of[way];
    if (Array.isArray(choices)) return [...new Set(choices.map((each) => typeOf(each, root, depth + 1)))].slice(0, 4).join(" or ");
  }
  const types = Array.isArray(of.type) ? of.type : [of.type];
  const words = types.map((type) => {
    if (type === "array") return `${typeOf(of.items, root, depth + 1)}[]`;
    if (type === "string" && typeof of.format === "string") return of.format;
    if (type === "object") return named || "object";
    return typeof type === "string" ? type : named || "any";
  });
  return words.join(" or ");
}
