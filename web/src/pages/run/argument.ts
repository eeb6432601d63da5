// Where in the arguments of a tool's call a place of a program is.
import { syntaxTree } from "@codemirror/language";
import type { EditorState } from "@codemirror/state";
import { choicesOf, furtherOf, resolve, type Schema } from "../tools/schema";

/** The object that stands around a place: of which tool's arguments, below which fields, with what in it already. */
export type Place = { tool: string; below: string[]; given: string[] };

/** A step into an item of a list. */
const ITEM = "[]";
const OTHER_SCOPE = /^(Script|Block|ArrowFunction|FunctionExpression|FunctionDeclaration|ClassBody)$/;

/** Null where no field of a tool's arguments can be named. */
export function argumentAt(state: EditorState, pos: number): Place | null {
  const text = (from: number, to: number) => state.doc.sliceString(from, to);
  const below: string[] = [];
  let given: string[] | null = null;
  for (let node = syntaxTree(state).resolveInner(pos, -1); ; ) {
    const { name, parent } = node;
    if (given === null && /^(String|TemplateString|LineComment|BlockComment)$/.test(name)) return null;
    if (OTHER_SCOPE.test(name)) return null;
    if (name === "Property") {
      const colon = node.getChild(":");
      const isValue = colon !== null && pos >= colon.to;
      // In the place of a value there is no field to name.
      if (given === null && isValue) return null;
      const key = node.getChild("PropertyDefinition") ?? node.getChild("String");
      if (given !== null && isValue) {
        if (!key) return null;
        below.unshift(text(key.from, key.to).replace(/^["']|["']$/g, ""));
      }
    }
    if (name === "ObjectExpression" && given === null)
      given = node
        .getChildren("Property")
        .filter((each) => !(each.from <= pos && pos <= each.to))
        .map((each) => each.firstChild)
        .flatMap((key) => (key ? [text(key.from, key.to).replace(/^["']|["']$/g, "")] : []));
    if (name === "ArrayExpression" && given !== null) below.unshift(ITEM);
    if (name === "CallExpression" && given !== null) {
      const callee = node.firstChild;
      const path = callee && /^tools\.([\w$.]+)$/.exec(text(callee.from, callee.to).replace(/\s+/g, ""))?.[1];
      const first = node.getChild("ArgList")?.getChild("ObjectExpression");
      return path && first && first.from <= pos && pos <= first.to ? { tool: path, below, given } : null;
    }
    if (!parent) return null;
    node = parent;
  }
}

export type Field = { name: string; schema: Schema; isRequired: boolean };

/** The fields that may stand at a place, of all alternatives together. */
export function fieldsAt(root: Schema, below: string[]): Field[] {
  let at: Schema[] = [root];
  for (const step of below)
    at = at.flatMap(withAlternatives(root)).flatMap((s): Schema[] => {
      if (step === ITEM) return s.items ? [s.items] : [];
      const further = s.properties?.[step] ?? furtherOf(s);
      return further ? [further] : [];
    });
  const found = new Map<string, Field>();
  for (const s of at.flatMap(withAlternatives(root)))
    for (const [name, schema] of Object.entries(s.properties ?? {}))
      if (!found.has(name)) found.set(name, { name, schema: resolve(schema, root), isRequired: s.required?.includes(name) ?? false });
  return [...found.values()];
}

const withAlternatives =
  (root: Schema) =>
  (schema: Schema): Schema[] => {
    const s = resolve(schema, root);
    return choicesOf(s, root) ?? [s];
  };
