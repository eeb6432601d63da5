// The editor, loaded when it is needed. It knows the catalog through the API and no compiler.
import { autocompletion, closeBrackets, closeBracketsKeymap, type Completion, type CompletionContext, completionKeymap, type CompletionResult, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab, toggleTabFocusMode } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, hoverTooltip, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import type { Api, Finding } from "~/api/client";
import { namespaces, tool as oneTool, toolsOf } from "~/api/queries";
import { describe, type Schema } from "../tools/schema";
import { argumentAt, fieldsAt } from "./argument";
import { segmentsBelow } from "./segments";
import { pathAt } from "./path";

type Props = { value: string; onChange: (text: string) => void; onRun: () => void; findings: Finding[]; api: Api };

const theme = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", color: "var(--ink)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--font-mono)", lineHeight: "20px" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--ink3)", border: "none" },
  ".cm-activeLine": { backgroundColor: "var(--surface)" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--select)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--ink)", border: "1px solid var(--control)", borderRadius: "4px", maxWidth: "70ch" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--select)", color: "var(--ink)" },
  // The policy of the page forbids pictures in addresses, which the usual squiggle is.
  ".cm-lintRange": { backgroundImage: "none", textDecoration: "underline wavy" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecorationColor: "var(--bad)" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecorationColor: "var(--ink2)" },
  ".cm-lintPoint:after": { borderBottomColor: "var(--bad)" },
  ".cm-diagnostic": { borderLeft: "3px solid var(--bad)" },
});

const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword], color: "var(--run)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--accent)" },
  { tag: tags.comment, color: "var(--ink3)" },
  { tag: [tags.typeName, tags.className], color: "var(--accent)" },
]);

export default function Editor({ value, onChange, onRun, findings, api }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const client = useQueryClient();
  const latest = useRef({ onChange, onRun });
  latest.current = { onChange, onRun };
  useEffect(() => {
    if (!box.current) return;
    const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";
    const created = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc: value,
        extensions: [
          EditorView.cspNonce.of(nonce),
          lineNumbers(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          highlightActiveLine(),
          javascript({ typescript: true }),
          syntaxHighlighting(colors),
          autocompletion({ override: [(context) => complete(context, api, client)] }),
          hoverTooltip((editor, at) => hover(editor, at, api)),
          EditorView.contentAttributes.of({ tabindex: "0", "aria-label": "Program, TypeScript. Escape then Tab leaves the editor." }),
          EditorView.updateListener.of((update) => update.docChanged && latest.current.onChange(update.state.doc.toString())),
          keymap.of([
            { key: "Mod-Enter", run: () => (latest.current.onRun(), true) },
            { key: "Escape", run: toggleTabFocusMode },
            ...closeBracketsKeymap,
            ...completionKeymap,
            ...defaultKeymap,
            ...historyKeymap,
            indentWithTab,
          ]),
          theme,
        ],
      }),
    });
    view.current = created;
    return () => created.destroy();
    // The editor holds the text from here on.
  }, [api, client]);
  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const { doc } = editor.state;
    const marks = findings.flatMap((each): Diagnostic[] => {
      if (each.line > doc.lines) return [];
      const line = doc.line(each.line);
      const from = Math.min(line.from + each.column - 1, line.to);
      const word = /^[\w$.]+/.exec(doc.sliceString(from, line.to))?.[0].length ?? 1;
      return [{ from, to: Math.min(from + Math.max(1, word), line.to), severity: each.severity === "error" ? "error" : "warning", message: each.message }];
    });
    editor.dispatch(setDiagnostics(editor.state, marks));
  }, [findings]);
  return <div ref={box} className="h-full overflow-hidden" />;
}

/** A group of tools: taking it goes on to what is below it. */
const group = (name: string, count: number): Completion => ({
  label: name,
  detail: count === 1 ? "1 tool" : `${count} tools`,
  type: "namespace",
  apply: (view, _completion, from, to) => {
    view.dispatch({ changes: { from, to, insert: `${name}.` }, selection: { anchor: from + name.length + 1 }, userEvent: "input.complete" });
    startCompletion(view);
  },
});

/** After `tools.`: the namespaces, then segment by segment what is below; inside a call, its arguments. */
async function complete(context: CompletionContext, api: Api, client: QueryClient): Promise<CompletionResult | null> {
  const path = context.matchBefore(/tools\.[\w$.]*/);
  if (path) {
    const typed = path.text.slice("tools.".length);
    const dot = typed.lastIndexOf(".");
    if (dot < 0) {
      const found = await client.fetchQuery({ ...namespaces(api), staleTime: 30_000 });
      const own = ["discover", "describe", "catalog.namespaces", "catalog.tools", "results.read"];
      return {
        from: path.from + "tools.".length,
        options: [...found.map((each) => group(each.namespace, each.toolCount)), ...own.map((label) => ({ label, type: "function", boost: -1 }))],
        validFor: /^[\w$]*$/,
      };
    }
    const prefix = typed.slice(0, dot);
    const all = await client.fetchQuery(toolsOf(api, prefix.split(".")[0] ?? "")).catch(() => []);
    return {
      from: path.from + "tools.".length + dot + 1,
      options: segmentsBelow(prefix, all).flatMap((each): Completion[] => [
        ...(each.tool ? [{ label: each.name, detail: `${each.tool.risk}, ${each.tool.decision}`, info: each.tool.description, type: "function" }] : []),
        ...(each.count > 0 ? [group(each.name, each.count)] : []),
      ]),
      // Behind the next dot is another list.
      validFor: /^[\w$]*$/,
    };
  }
  const key = context.matchBefore(/[\w$]*/);
  if (!key || (key.text === "" && !context.explicit)) return null;
  const place = argumentAt(context.state, context.pos);
  if (!place) return null;
  const found = await client.fetchQuery(oneTool(api, place.tool)).catch(() => null);
  if (!found) return null;
  const fields = fieldsAt(found.inputSchema as Schema, place.below).filter((each) => !place.given.includes(each.name));
  return {
    from: key.from,
    options: fields.map(({ name, schema, isRequired }) => ({
      label: name,
      detail: `${describe(schema)}${isRequired ? ", required" : ""}`,
      info: schema.description ?? "",
      apply: `${/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)}: `,
      type: "property",
      boost: isRequired ? 1 : 0,
    })),
    validFor: /^[\w$]*$/,
  };
}

async function hover(editor: EditorView, at: number, api: Api) {
  const line = editor.state.doc.lineAt(at);
  const found = pathAt(line.text, at - line.from);
  if (!found) return null;
  const { results } = await api.get("/api/v1/tools", { query: { namespace: found.path, limit: 1 } as never }).catch(() => ({ results: [] }));
  const tool = results.find((each) => each.path.toLowerCase() === found.path.toLowerCase());
  if (!tool) return null;
  return {
    pos: line.from + found.from,
    end: line.from + found.to,
    create: () => {
      const dom = document.createElement("div");
      dom.className = "p-2";
      const signature = document.createElement("code");
      signature.className = "block whitespace-pre-wrap";
      signature.textContent = tool.signature;
      const description = document.createElement("p");
      description.textContent = `${tool.description} (${tool.risk}, ${tool.decision})`;
      dom.append(signature, description);
      return { dom };
    },
  };
}
