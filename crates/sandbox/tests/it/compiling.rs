//! The compiler against texts that mean harm: it ends, within bounds, with a program or an error;
//! and what it emits is what the engine reads.

use sandbox::{Event, Sandbox, compile};

use crate::host::{SOURCE_BYTES_MAX, drive, echo, isolate, start};

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    for source in [
        "x".repeat(50 << 20),
        format!("const a = \"{}\"", "x".repeat(10 << 20)),
        "a;\n".repeat(1_000_000),
        "(".repeat(1_000_000),
    ] {
        let error = compile(&source, SOURCE_BYTES_MAX).expect_err("refused");
        assert!(error.message.contains("sourceBytes"), "{error}");
        assert!(error.excerpt.is_empty());
    }
}

#[test]
fn what_is_as_large_as_it_may_be_ends_in_a_program_or_an_error() {
    let fill = |piece: &str| piece.repeat(SOURCE_BYTES_MAX / piece.len());
    for piece in [
        "a;\n",
        "a;",
        "`x`;",
        "`${a}`;",
        "tools.a.b({c:1});",
        "[],",
        "enum E{A}\n",
        "/*",
        "//\n",
        "a,",
        "\u{2028}",
        "é",
        "{}",
        "if(a);",
        "let a;",
        "class A{}",
    ] {
        // Whatever comes of it comes back; what does not parse says where.
        if let Err(error) = compile(&fill(piece), SOURCE_BYTES_MAX) {
            assert!(error.line >= 1 && error.column >= 1, "{piece}: {error}");
            assert!(error.to_string().len() < 4_000, "{piece}");
        }
    }
    for piece in [
        "(",
        "[",
        "{",
        "`${",
        "a=>",
        "!",
        "a?",
        "a+",
        "a.",
        "a(",
        "if(a)",
        "else ",
        "<",
        "a<",
        "-",
        "new ",
        "await ",
        "function f(){",
        "class A{a=",
        "({a:",
        "[...",
        "/(",
        "enum E{A=",
        "namespace N{",
        "type A=",
        "type A<B=",
        "x as ",
        "async ",
        "switch(a){case ",
        "try{",
        "@",
        "for(;;)",
        "label:",
        "tools.a(",
        "tools.a({b:",
        "a`",
        "a||",
        "a??",
        "a**",
        "typeof ",
    ] {
        let source = fill(piece);
        let error = compile(&source, SOURCE_BYTES_MAX).expect_err(piece);
        assert!(error.to_string().len() < 4_000, "{piece}");
        let error = compile(&source[..piece.len() * 900], SOURCE_BYTES_MAX);
        assert!(error.is_err(), "{piece}");
    }
}

/// Numbers that are the same on each run (xorshift64*, <https://doi.org/10.1145/2845077>).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

const SEEDS: &[&str] = &[
    "enum E { A = 1, B = 'x' } const enum F { C = 2 << 1 }\nreturn [E.A, F.C, E[1]];",
    "namespace N { export const a = 1; export namespace M { export function f() { return a } } }\nreturn N.M.f();",
    "class A<T> extends B implements C { constructor(private x: T, public y?: number) { super() } static s = 1; #p = 2; get v(): T { return this.x } declare d: string; abstract?: 1 }",
    "async function main(tools: any): Promise<number> { for await (const x of tools.a.b({ c: [1, -2], ...d })) { if (x!.y) continue; else break } return 1 as number }",
    "export default async ({ github: { issues } }) => { try { await issues.create({ title: `t${1}` }, { meta: true }) } catch (e) { return e?.code ?? null } finally { using r = open() } }",
    "const t = tools; const { crm } = t; const id = <T,>(x: T): x is T => x satisfies T; label: do { crm.x?.y!['z']({ a: undefined }).catch(() => 0) } while (0)",
    "Text:\n```ts\ntype A = { [K in keyof B]?: B[K] extends infer U ? U : never }; interface I { (x: number): void }\nlet x: A | I = <A>{}; x ||= y ? `a${`b${1}`}` : tag`c`;\n```\nafter",
    "import type { A } from 'a'; export type { A }; export const b = function* () { yield* [1n, 0x2, 1e3, .5] }; switch (b) { case 1: default: throw new Error('\\u{1F600}\u{2028}') }",
    "const { a = 1, b: [c, , ...d], ...e } = { get f() { return 1 }, set f(v) {}, async *g() {}, [h]: 1, 'i': 2, 3: 4 }; delete e.a, void 0, typeof c in d;",
];

const PIECES: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "`",
    "${",
    "'",
    "\"",
    ";",
    ",",
    ".",
    "?.",
    "=>",
    "=",
    ":",
    "?",
    "!",
    "<",
    ">",
    "...",
    "@",
    "#",
    "\\",
    "\n",
    "\u{2028}",
    "\u{feff}",
    "😀",
    "\0",
    "*",
    "-",
    " as any",
    "async ",
    "await ",
    "return ",
    "export ",
    "default ",
    "enum ",
    "namespace ",
    "declare ",
    "class ",
    "abstract ",
    "static ",
    "accessor ",
    "using ",
    "let ",
    "const ",
    "function ",
    "=> {",
    "}}",
    "```\n",
    "type ",
    "tools",
    "tools.a.b(",
    "new ",
    "super",
    "this",
    "yield ",
    "import ",
    "in ",
    "of ",
    "null",
    "undefined",
    "0",
    "1n",
    "'use strict'",
    "arguments",
    "eval",
    "constructor",
    "__proto__",
    "satisfies ",
];

fn mutated(numbers: &mut Numbers) -> String {
    let mut text: Vec<char> = SEEDS[numbers.below(SEEDS.len())].chars().collect();
    for _ in 0..=numbers.below(2) {
        let at = numbers.below(text.len() + 1);
        let end = (at + numbers.below(24)).min(text.len());
        match numbers.below(5) {
            0 => drop(text.drain(at..end)),
            1 => {
                let copy: Vec<char> = text[at..end].to_vec();
                let to = numbers.below(text.len() + 1);
                text.splice(to..to, copy);
            }
            2 => {
                let other: Vec<char> = SEEDS[numbers.below(SEEDS.len())].chars().collect();
                let from = numbers.below(other.len());
                let to = (from + numbers.below(60)).min(other.len());
                text.splice(at..at, other[from..to].to_vec());
            }
            _ => {
                let piece = PIECES[numbers.below(PIECES.len())];
                text.splice(at..at, piece.chars());
            }
        }
    }
    text.into_iter().collect()
}

#[tokio::test]
async fn whatever_compiles_is_read_by_the_engine() {
    let seed = 0x9E37_79B9_7F4A_7C15;
    eprintln!("seed {seed:#x}");
    let mut numbers = Numbers(seed);
    let isolate = isolate().await;
    for seed in SEEDS {
        compile(seed, SOURCE_BYTES_MAX).unwrap_or_else(|e| panic!("{seed}\n{e}"));
    }
    let (mut compiled, mut refused) = (0, 0);
    for _ in 0..1_500 {
        let text = mutated(&mut numbers);
        match compile(&text, SOURCE_BYTES_MAX) {
            Ok(_) => compiled += 1,
            Err(error) => {
                assert!(
                    !error.message.contains("please report"),
                    "{text:?}\n{error}"
                );
                refused += 1;
                continue;
            }
        }
        // Read to its end, and left at its beginning: nothing of it runs.
        let text = format!("return 0;\n{}", text.replace("```", ""));
        if compile(&text, SOURCE_BYTES_MAX).is_err() {
            continue;
        }
        let mut session = isolate.start(start(&text)).await.expect("a place");
        let end = drive(&mut session, echo).await.pop();
        assert!(
            matches!(&end, Some(Event::Done { result, .. }) if result == "0"),
            "{text:?}\n{end:?}"
        );
    }
    assert!(
        compiled > 100 && refused > 100,
        "mutations of every kind: {compiled} compiled, {refused} refused"
    );
}
