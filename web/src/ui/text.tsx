// Text of others: always text, never markup, with what is hidden in it shown.
import { Fragment, memo } from "react";
import { codeOf, nameOf, passesForAnother, pieces } from "~/lib/hidden";

/** Beyond this length a text is cut into parts, so that one mark does not redraw all. */
export const Seen = memo(function Seen({ text }: { text: string }) {
  return (
    <>
      {pieces(text).map((piece, i) => {
        if (piece.kind === "plain") return <Fragment key={i}>{piece.text}</Fragment>;
        if (piece.kind === "mixed")
          return (
            <bdi key={i} title={mixedTitle(piece.text)} data-hidden="mixed" className="rounded-sm border-b-2 border-dotted border-bad text-bad">
              {piece.text}
              <span className="ml-0.5 rounded-sm border border-bad px-0.5 text-[10px] leading-3">look-alike letters</span>
            </bdi>
          );
        return (
          <span
            key={i}
            title={nameOf(piece.text)}
            data-hidden="hidden"
            className="mx-px inline-block rounded-sm border border-bad px-0.5 font-mono text-[10px] leading-3 text-bad"
          >
            {codeOf(piece.text)}
          </span>
        );
      })}
    </>
  );
});

function mixedTitle(word: string): string {
  const foreign = [...word].filter(passesForAnother);
  return `Letters that pass for others: ${foreign.map((c) => `${c} is ${codeOf(c)}`).join(", ")}`;
}

/** A tool's path, which may break at its dots. */
export function ToolPath({ path }: { path: string }) {
  const parts = path.split(".");
  return (
    <span className="font-mono break-words">
      {parts.map((part, i) => (
        <Fragment key={i}>
          {i > 0 && (
            <>
              .<wbr />
            </>
          )}
          <Seen text={part} />
        </Fragment>
      ))}
    </span>
  );
}
