// Which tool's path stands at a place of a line.

export function pathAt(line: string, column: number): { path: string; from: number; to: number } | null {
  for (const match of line.matchAll(/tools\.([\w$]+(?:\.[\w$]+)*)/g)) {
    const from = match.index;
    const to = from + match[0].length;
    if (column >= from && column <= to && match[1]) return { path: match[1], from, to };
  }
  return null;
}
