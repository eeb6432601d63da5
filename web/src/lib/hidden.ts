// Characters that are invisible, change the order in which others are read, or pass for others.

const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

const WORD = /[\p{L}\p{M}\u24b6-\u24e9\u{1f130}-\u{1f189}]+/gu;
const LATIN = /\p{Script=Latin}/u;
/** Letters of other alphabets that are often taken for Latin ones. */
const FOREIGN = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;
/** Latin letters in a dress: small capitals, full width, circled, squared, mathematical. A word of them alone is none that anybody types. */
const STYLED =
  /[\u0262\u026a\u0274\u0280\u0299\u029c\u029f\u1d00-\u1d2b\ua730\ua731\uff21-\uff3a\uff41-\uff5a\u24b6-\u24e9\u{1d400}-\u{1d7ff}\u{1f130}-\u{1f149}\u{1f150}-\u{1f169}\u{1f170}-\u{1f189}]/u;

/** Whether a letter passes for another. */
export const passesForAnother = (letter: string): boolean => FOREIGN.test(letter) || STYLED.test(letter);

export type Piece = { text: string; kind: "plain" | "hidden" | "mixed" };

const NAMES: Record<number, string> = {
  0x00a0: "no-break space",
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
  0x202f: "narrow no-break space",
  0x2066: "left-to-right isolate",
  0x2067: "right-to-left isolate",
  0x2068: "first strong isolate",
  0x2069: "end of isolate",
  0x2800: "empty braille pattern",
  0x3000: "ideographic space",
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
  if (passesForAnother(text)) {
    for (const m of text.matchAll(WORD))
      if (((LATIN.test(m[0]) && FOREIGN.test(m[0])) || STYLED.test(m[0])) && !marks.some((mark) => mark.at < m.index + m[0].length && m.index < mark.end))
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
