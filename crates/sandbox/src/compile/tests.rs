//! The compiler's own tables; what programs then do is tested in `tests/it`.

use super::{compile, fence, nesting};

#[test]
fn the_shape_of_a_program_decides_what_it_returns() {
    for (source, emitted) in [
        ("1", "return 1;"),
        ("const a = 1; a", "const a = 1;\nreturn a;"),
        (
            "const a = 1; if (a) return 2; a",
            "const a = 1;\nif (a) return 2;\na;",
        ),
        (
            "const f = () => { return 1 }; f()",
            "const f = () => {\n\treturn 1;\n};\nreturn f();",
        ),
        ("async () => 1", "return (async () => 1)(tools);"),
        (
            "(function () { return 1 })",
            "return (function() {\n\treturn 1;\n})(tools);",
        ),
        (
            "async function main() {}",
            "async function main() {}\nreturn main(tools);",
        ),
        ("function helper() {}", "function helper() {}"),
        (
            "function helper() {} helper()",
            "function helper() {}\nreturn helper();",
        ),
        (
            "interface A {} async (x: A) => x",
            "return (async (x) => x)(tools);",
        ),
        (
            "export default async () => 1; const late = 2",
            "const late = 2;\nreturn (async () => 1)(tools);",
        ),
        (
            "export default async function run() {}",
            "async function run() {}\nreturn run(tools);",
        ),
        (
            "export default function () {}",
            "return function() {}(tools);",
        ),
        ("export default 5", "return 5;"),
        ("#!/usr/bin/env bun\nreturn 1", "return 1;"),
        ("#!é", ""),
        ("export default class A {}", "class A {}"),
        ("export default class {}", "return class {};"),
        (
            "f(`a\u{2028}b${1}\u{2029}`)",
            "return f(`a\\u2028b${1}\\u2029`);",
        ),
        (
            "f(g`\u{2028}${`\u{2028}`}`)",
            "return f(g`\u{2028}${`\\u2028`}`);",
        ),
        (
            "export const a = 1; export { a }; export type T = 1; export interface I {}",
            "const a = 1;",
        ),
        (
            "import type { A } from 'a'; import { type B } from 'b'; 1",
            "return 1;",
        ),
        ("'use strict'; 1", "\"use strict\";\nreturn 1;"),
        ("", ""),
    ] {
        let program = compile(source, 1000).unwrap_or_else(|e| panic!("{source}\n{e}"));
        let code = program
            .code()
            .strip_prefix("(async function () { \"use strict\";\n")
            .unwrap();
        assert_eq!(
            code.strip_suffix("\n})").unwrap().trim(),
            emitted,
            "{source}"
        );
    }
}

#[test]
fn positions_lead_back_to_the_source() {
    let program = compile(
        "type A = 1;\n\nconst x: A = 1;\nthrow new Error(`${x}`)",
        1000,
    )
    .unwrap();
    // Line 1 of the code is the wrapper's.
    assert_eq!(program.locate(1, 5), None);
    assert_eq!(program.locate(2, 1), Some((3, 1)));
    assert_eq!(program.locate(3, 7), Some((4, 7)));
    let (stack, place) = program.map_stack("    at f (task.ts:3:7)\n    at apply (native)\n    at x (executor:9:9)\n    at <anonymous> (task.ts:2:1)\n");
    assert_eq!(
        stack,
        "    at f (task.ts:4:7)\n    at <anonymous> (task.ts:3:1)"
    );
    assert_eq!(place, Some((4, 7)));
    assert_eq!(
        program
            .map_stack("task.ts:x:y\ntask.ts:\n:::\ntask.ts:99999999999:1")
            .1,
        None
    );
}

#[test]
fn digests_follow_their_text() {
    let [a, b, c] =
        ["return 1", "return 1 ", "return 2"].map(|source| compile(source, 1000).unwrap());
    assert_ne!(a.source_digest(), b.source_digest());
    assert_eq!(a.code_digest(), b.code_digest());
    assert_ne!(a.code_digest(), c.code_digest());
    assert_eq!(a.source_digest().len(), 64);
}

#[test]
fn fences_keep_every_byte_in_its_place() {
    for (source, block) in [
        ("```ts\na\n```", Some("     \na\n   ")),
        (
            "é\n```\na\n```\nb\n```\nc\n```",
            Some("  \n   \na\n   \n \n   \n \n   "),
        ),
        ("  ```js\r\na\r\n", Some("        \na\r\n")),
        ("no fence ```", None),
        ("/**\n```\nan example\n```\n*/\nreturn 1", None),
    ] {
        let found = fence::block(source);
        assert_eq!(found.as_deref(), block, "{source}");
        assert!(found.is_none_or(|found| found.len() == source.len()));
    }
}

#[test]
fn nesting_is_bounded_from_above_and_not_by_much() {
    let depth = |source: &str| nesting::bound(source).expect(source);
    for (source, honest) in [
        ("const a = [1, 2, 3];\n".repeat(2000), 20),
        (
            "const s = '((((((((((((((((((((((((((((((((((((((((('; // ((((((\n/* [[[[ */\n"
                .repeat(500),
            20,
        ),
        ("x.replace(/[\"'`(]+/g, '');\n".repeat(500), 20),
        ("const t = `(((( ${a(b)} ((((`;\n".repeat(500), 20),
        ("if (a) { b() } else if (c) { d() }\n".repeat(50), 120),
        ("const r = a / b;\n".repeat(500), 20),
    ] {
        assert!(
            depth(&source) <= honest,
            "{}: {}",
            &source[..20],
            depth(&source)
        );
    }
    for (piece, closing) in [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("!", ""),
        ("a=>", ""),
        ("a?b:", ""),
        ("if(a)", ""),
        ("x.y", ""),
        ("`${", "}`"),
    ] {
        let source = format!("{}1{}", piece.repeat(500), closing.repeat(500));
        assert!(depth(&source) >= 500, "{piece}");
    }
    // Each of these hides 500 brackets from a scan that takes the bait.
    for bait in [
        "(a)/'/;",
        "(a)/`/;",
        "(a)/[//]/;",
        "(a)/\"/;",
        "(a)/[/*]/;",
        "//\u{2028}",
        "'\\\n';",
        "`${(a)/}/}`;",
        "/'/;",
        "(/`/);",
        "return/'/;",
        "b:for(;;){break b\n/'/;",
        "let a\n/'/;",
        "a++/'/;",
        "if(a)/'/;",
        "{}/'/;",
        "ü/'/;",
    ] {
        let source = format!("{bait}{}", "(".repeat(500));
        assert!(depth(&source) >= 500, "{bait}: {}", depth(&source));
    }
    assert_eq!(
        nesting::bound(&"(".repeat(20_000)),
        Err(nesting::LEVELS_MAX / 2)
    );
}
