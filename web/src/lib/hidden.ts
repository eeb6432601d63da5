// Characters that are invisible, change the order in which others are read, or pass for others.

const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

const WORD = /[\p{L}\p{M}]+/gu;
const LATIN = /\p{Script=Latin}/u;
/** Letters that are often taken for Latin ones. */
const LOOKALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}]/u;

export type Piece = { text: string; kind: "plain" | "hidden" | "mixed" };

const NAMES: Record<number, string> = {
  0x00ad: "soft hyphen",
  0x200b: "zero-width space",
  0x200c: "zero-width non-joiner",
  0x200d: "zero-width joiner",
  0x200e: "left-to-right mark",
  0x200f: "right-to-left mark",
  0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding",
  0x202c: "end of direction",
  0x202d: "left-to-right override",
  0x202e: "right-to-left override",
  0x2066: "left-to-right isolate",
  0x2067: "right-to-left isolate",
  0x2068: "first strong isolate",
  0x2069: "end of isolate",
  0xfeff: "zero-width no-break space",
};

export function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return NAMES[code] ? `${hex} ${NAMES[code]}` : `${hex} hidden character`;
}

export function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A text cut into what is plain and what should be seen as what it is. */
export function pieces(text: string): Piece[] {
  const marks: { at: number; end: number; kind: "hidden" | "mixed" }[] = [];
  for (const m of text.matchAll(HIDDEN)) marks.push({ at: m.index, end: m.index + m[0].length, kind: "hidden" });
  // Most texts have none of these letters; the others are looked at word by word, each once.
  if (LOOKALIKE.test(text)) {
    for (const m of text.matchAll(WORD))
      if (LATIN.test(m[0]) && LOOKALIKE.test(m[0]) && !marks.some((mark) => mark.at < m.index + m[0].length && m.index < mark.end))
        marks.push({ at: m.index, end: m.index + m[0].length, kind: "mixed" });
  }
  if (marks.length === 0) return [{ text, kind: "plain" }];
  marks.sort((a, b) => a.at - b.at);
  const out: Piece[] = [];
  let last = 0;
  for (const mark of marks) {
    if (mark.at > last) out.push({ text: text.slice(last, mark.at), kind: "plain" });
    out.push({ text: text.slice(mark.at, mark.end), kind: mark.kind });
    last = mark.end;
  }
  if (last < text.length) out.push({ text: text.slice(last), kind: "plain" });
  return out;
}

export function isSuspicious(text: string): boolean {
  return pieces(text).some((piece) => piece.kind !== "plain");
}
