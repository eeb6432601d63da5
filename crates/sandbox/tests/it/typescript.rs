//! TypeScript that means something when it runs: each form gives what TypeScript gives, or is
//! refused with its place; and no form moves the position of an error.

use sandbox::compile;

use crate::host::{SOURCE_BYTES_MAX, failure, result};

async fn give(expectations: &[(&str, &str)]) {
    for (source, expected) in expectations {
        assert_eq!(result(source).await, *expected, "{source}");
    }
}

#[tokio::test]
async fn enumerations_and_namespaces_keep_their_meaning() {
    give(&[
        // Enumerations.
        (
            "enum E { A, B = 10, C, D = 'd', F = B | 1, G = 'xy'.length, H = `t` } return [E.A, E[0], E.C, E.D, E[11], E.F, E.G, E.H]",
            r#"[0,"A",11,"d","F",11,2,"t"]"#,
        ),
        (
            "const enum E { A = 1, B = A << 2, C = B + A, D = -A, S = 's' } return [E.B, E['C'], E.D, E.S]",
            r#"[4,5,-1,"s"]"#,
        ),
        (
            "enum E { A = f(), B = E.A + 1 } enum E { C = B + 3 } function f() { return 5 } return [E.A, E.B, E.C, E[5], Object.keys(E).length]",
            r#"[5,6,9,"A",6]"#,
        ),
        (
            "declare enum E { A } declare const enum F { B = 4 } return typeof E",
            r#""undefined""#,
        ),
        // Namespaces.
        (
            "namespace N { export const a = 1; const b = 2; export function f() { return a + b } export class K { v = a } export enum E { X = 7 } export namespace M { export const c = a + 3 } } namespace N { export const d = N.a + 9 } return [N.a, N.f(), new N.K().v, N.E.X, N.M.c, N.d, 'b' in N]",
            "[1,3,1,7,4,10,false]",
        ),
        (
            "namespace A.B.C { export const x = 1 } import type { Z } from 'z'; return A.B.C.x",
            "1",
        ),
        (
            "function f() { return 1 } namespace f { export const more = 2 } class K {} namespace K { export const n = 3 } enum E { A } namespace E { export function g() { return E.A } } return [f(), f.more, K.n, E.g()]",
            "[1,2,3,0]",
        ),
        (
            "namespace OnlyTypes { export interface I {} export type T = 1 } return typeof OnlyTypes",
            r#""undefined""#,
        ),
    ])
    .await;
}

#[tokio::test]
async fn classes_and_resources_keep_their_meaning() {
    give(&[
        (
            "const log: string[] = []; const t = (x: string) => (log.push(x), x);\n\
             class B { static s = t('static'); x = t('B.x'); constructor() { t('B()') } }\n\
             class D extends B { y = t('D.y'); constructor(public z = t('z'), private readonly w?: number) { super(); t('D()') } }\n\
             const d = new D(); return [log.join(), Object.keys(d), d.z]",
            r#"["static,z,B.x,B(),D.y,D()",["x","z","w","y"],"z"]"#,
        ),
        (
            "class A { declare a: number; b?: string; c!: number; readonly d = 1; #e = 2; static { A.s = 3 } static s: number; [k: string]: unknown; get e() { return this.#e } has(x: object) { return #e in x } } const a = new A(); return [Object.keys(a), A.s ?? null, a.e, a.has(a)]",
            r#"[["b","c","d"],null,2,true]"#,
        ),
        (
            "abstract class A { abstract f(): number; abstract x: number; g(this: A) { return this.f() } } class B extends A { override f() { return 7 } x = 1 } return new B().g()",
            "7",
        ),
        (
            "class A<T> { constructor(private v: T) {} map<U>(f: (v: T) => U): A<U> { return new A(f(this.v)) } get(): T { return this.v } self(): this { return this } } return new A(2).map((x) => x + 1).self().get()",
            "3",
        ),
        // Resources.
        (
            "const log: string[] = []; const r = (n: string) => ({ [Symbol.dispose]() { log.push(n) }, async [Symbol.asyncDispose]() { log.push('async ' + n) } });\n\
             { using a = r('a'); using b = r('b'), none = null; log.push('body') }\n\
             await (async () => { await using c = r('c'); log.push('in') })();\n\
             for (using d of [r('d1'), r('d2')]) log.push('turn');\n\
             using last = r('last'); return log",
            r#"["body","b","a","in","async c","turn","d1","turn","d2","last"]"#,
        ),
        (
            "function f() { using a = { [Symbol.dispose]() { throw new Error('dispose') } }; throw new Error('body') } try { f() } catch (e) { return [e.name, e.error.message, e.suppressed.message] }",
            r#"["SuppressedError","dispose","body"]"#,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_erased_leaves_no_trace_and_no_text_ends_the_wrapper() {
    give(&[
        (
            "function f(a: string): string; function f(a: number): number; function f(a: any) { return a }\n\
             const id = <T,>(x: T) => x, g = <const T extends readonly unknown[]>(...x: T): T => x;\n\
             function is(x: unknown): x is string { return typeof x === 'string' } function must(x: unknown): asserts x {}\n\
             declare const d: number; declare function df(): void; declare module 'm' {} declare global { interface X {} }\n\
             type Q = typeof import('q'); let n!: number; n = id<number>(2); must(n);\n\
             return [f(1), g(1, 2), is(''), n!, <any>n as unknown as string, { a: 1 } satisfies object, typeof d]",
            r#"[1,[1,2],true,2,2,{"a":1},"undefined"]"#,
        ),
        (
            "export type { T } from 't'; export enum X { A = 1 } export namespace N { export const q = 2 } export abstract class K { static v = 3 } return [X.A, N.q, K.v]",
            "[1,2,3]",
        ),
        // Texts that try to end what is around them.
        (
            "return '</script><!-- */ }) `' + /[)\\]}/*]/.source // */ }) </script>",
            r#""</script><!-- */ }) `[)\\]}/*]""#,
        ),
        ("/* }) */ return 1 /* ` ${ */ // \u{2028} + 41", "42"),
        (
            "const s = \"a\u{2028}b\", t = `c\u{2028}\\\u{2029}d`; return [s.length, t.length, String.raw`\u{2028}`.length]",
            "[3,3,1]",
        ),
    ])
    .await;
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    for (source, line, column, words) in [
        ("\n@dec class A {}", 2, 1, "decorators are not available"),
        (
            "class A {\n  @dec m() {} }",
            2,
            3,
            "decorators are not available",
        ),
        (
            "class A { m(@dec x) {} }",
            1,
            13,
            "decorators are not available",
        ),
        (
            "class A {\n accessor x = 1 }",
            2,
            2,
            "`accessor` is not available",
        ),
        (
            "namespace N {\n  export let x = 1 }",
            2,
            10,
            "a namespace cannot export what changes",
        ),
        (
            "namespace N { namespace M { export var x } }",
            1,
            36,
            "a namespace cannot export what changes",
        ),
        (
            "if (x) { export const a = 1 }",
            1,
            10,
            "`export` cannot stand inside a block",
        ),
        (
            "namespace N { const a = 1; export { a } }",
            1,
            28,
            "a namespace exports declarations alone",
        ),
        ("enum E { A = await 1 }", 1, 14, "`await`"),
        ("namespace N { const a = await f() }", 1, 25, "`await`"),
        (
            "import fs = require('fs')",
            1,
            1,
            "import = is not available",
        ),
        ("export = 1", 1, 1, "export ="),
        ("import x from 'x'", 1, 1, "import is not available"),
        ("enum E { A = f(), B }", 1, 19, "initializer"),
        ("const x: Array<number = 1", 1, 23, ""),
        ("function f<T(x: T) {}", 1, 13, ""),
        ("return `${", 1, 11, ""),
        ("return 'a\nb'", 1, 8, "Unterminated string"),
        ("/* never ends", 1, 1, "Unterminated"),
        ("return /a", 1, 8, "Unterminated regular expression"),
        ("return 1 }) ; (function () {", 1, 10, ""),
        ("return 1\n}\n{", 2, 1, ""),
        ("// a\u{2028}return 1 }", 2, 10, ""),
        ("<!-- html\nreturn 1", 1, 1, ""),
        ("with (tools) { a() }", 1, 1, "with"),
    ] {
        let error = compile(source, SOURCE_BYTES_MAX).expect_err(source);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{source}: {error}"
        );
        assert!(error.message.contains(words), "{source}: {error}");
        assert!(!error.message.contains("Oxc"), "{source}: {error}");
    }
    for source in [
        "declare namespace N { let x: number; export let y: string } return 1",
        "namespace N { export const a = 1 } namespace N { const a = 2; (a: any) => a; type a = 1 }",
        "namespace N { export type a = 1 } namespace N { export const b = a } const a = 1",
        "namespace N { export const a = 1 } namespace M { export const b = a } const a = 1",
        "declare module 'm' { export let y: string } return 1",
        "namespace N { export const f = async () => await 1; export async function g() { await 1 } } return 1",
    ] {
        compile(source, SOURCE_BYTES_MAX).expect(source);
    }
}

#[tokio::test]
async fn no_form_moves_the_place_of_an_error() {
    // Each ends with the line and column of the thrown `Error`, where the engine sees it called.
    for (before, line, column) in [
        (
            "enum A { X = 1, Y }\nnamespace N {\n  export const a = 1;\n}\ninterface I {\n  x: number\n}\n   ",
            8,
            14,
        ),
        (
            "type T = {\n a: 1 };\nclass P { constructor(public a: number, private b = 2) {} }\n",
            4,
            11,
        ),
        ("import type { A } from 'a';\n\nexport type B = A;\n", 4, 11),
        ("const t = `\n\n${1}\n`; ", 4, 14),
        ("const t = `a\u{2028}b`; ", 2, 15),
        (
            "const t = `a\u{2028}\\\u{2029}b`,\n u = '\u{2028}'; ",
            5,
            14,
        ),
        ("// c\u{2028}/* d\u{2029}*/ ", 3, 14),
        ("const t = `x\r\ny`;\r\n", 3, 11),
        ("const t = `x\ry`;\r", 3, 11),
        ("const a = '😀', b = 1; ", 1, 34),
        (
            "const f = <T,>(x: T): T => x;\n\nf<number>(1) satisfies number;\n\n",
            5,
            11,
        ),
    ] {
        let source = format!("{before}throw new Error('x');");
        let failure = failure(&source).await;
        assert_eq!(
            (failure.line, failure.column),
            (Some(line), Some(column)),
            "{source:?}: {}",
            failure.stack
        );
    }
    let inside = failure("const t = `a\nb\n${(() => { throw new Error('x') })()}\nc`").await;
    assert_eq!((inside.line, inside.column), (Some(3), Some(22)));
}
