// Packs what was built, and fails where it is over its budget of bytes.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
const KB = 1024;

/** In bytes. What is loaded first counts with its styles; a route or the editor with what it alone needs. */
const BUDGETS = {
  initial: { brotli: 150 * KB, gzip: 170 * KB },
  route: { brotli: 40 * KB },
  editor: { brotli: 140 * KB },
  fonts: { plain: 55 * KB, files: 2 },
};

const manifest = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8"));
rmSync(join(dist, "manifest.json"));

const sizes = new Map();
for (const name of readdirSync(join(dist, "assets"))) {
  const plain = readFileSync(join(dist, "assets", name));
  const packs = /\.(js|css|svg|json)$/.test(name);
  const brotli = packs ? brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }) : plain;
  const gzip = packs ? gzipSync(plain, { level: 9 }) : plain;
  if (packs) {
    writeFileSync(join(dist, "assets", `${name}.br`), brotli);
    writeFileSync(join(dist, "assets", `${name}.gz`), gzip);
  }
  sizes.set(`assets/${name}`, { plain: plain.length, brotli: brotli.length, gzip: gzip.length });
}

/** The files that a chunk needs, its static imports included. */
function needs(key, found = new Set()) {
  const chunk = manifest[key];
  if (!chunk || found.has(chunk.file)) return found;
  found.add(chunk.file);
  for (const style of chunk.css ?? []) found.add(style);
  for (const other of chunk.imports ?? []) needs(other, found);
  return found;
}

const sum = (files, kind) => [...files].reduce((total, file) => total + (sizes.get(file)?.[kind] ?? 0), 0);
const problems = [];
const say = (name, bytes, budget) => {
  const text = `${(bytes / KB).toFixed(1)} KB of ${(budget / KB).toFixed(0)} KB`;
  console.log(`${name.padEnd(34)} ${text}`);
  if (bytes > budget) problems.push(`${name}: ${text}`);
};

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
const initial = needs(entry);
say("initial, brotli", sum(initial, "brotli"), BUDGETS.initial.brotli);
say("initial, gzip", sum(initial, "gzip"), BUDGETS.initial.gzip);
for (const key of Object.keys(manifest).filter((each) => manifest[each].isDynamicEntry)) {
  const own = [...needs(key)].filter((file) => !initial.has(file));
  const isEditor = key.includes("editor");
  say(`${isEditor ? "editor" : "route"} ${key.replace("src/pages/", "")}`, sum(own, "brotli"), (isEditor ? BUDGETS.editor : BUDGETS.route).brotli);
}
const fonts = [...sizes.keys()].filter((name) => name.endsWith(".woff2"));
say(`fonts, ${fonts.length} files`, sum(fonts, "plain"), BUDGETS.fonts.plain);
if (fonts.length > BUDGETS.fonts.files) problems.push(`${fonts.length} font files`);
if (problems.length > 0) {
  console.error(`over budget:\n  ${problems.join("\n  ")}`);
  process.exit(1);
}
