//! What is seen in a program's text, and what is not.

use super::super::{Program, compile};
use domain::partial::{Part, Partial};
use serde_json::{Value, json};

fn program(source: &str) -> Program {
    compile(source, 100_000).unwrap_or_else(|e| panic!("{source}\n{e}"))
}

fn paths(source: &str) -> Vec<String> {
    let program = program(source);
    program
        .visible_calls()
        .iter()
        .map(|c| c.path.clone())
        .collect()
}

#[test]
fn every_spelling_of_a_path_is_seen() {
    for source in [
        "tools.a.b.c()",
        "tools['a.b.c']()",
        "tools[`a`].b['c']()",
        "tools?.a?.b.c?.()",
        "(tools as any).a!.b.c()",
        "(<any>tools.a).b.c()",
        "const t = tools; t.a.b.c()",
        "const { a } = tools; a.b.c()",
        "const { a: { b: x } } = tools; x.c()",
        "const { 'a': y } = tools, z = y.b; async function f() { await z.c() }",
        "const call = tools.a.b.c; call({})",
        "async (tools) => { await tools.a.b.c() }",
        "async ({ a: { b } }) => b.c()",
        "export default async function (t) { return t.a.b.c() }",
        "async function main(t: any) { return t.a.b.c() }",
        "const x = `${await tools.a.b.c()}`",
        "class A { static x = tools.a.b.c() }",
        "new Promise(() => tools.a.b.c<string>())",
        "Text:\n```ts\ntools.a.b.c()\n```\n",
    ] {
        assert_eq!(paths(source), ["a.b.c"], "{source}");
        assert!(!program(source).hides_calls(), "{source}");
    }
}

#[test]
fn what_is_not_certain_is_not_seen() {
    for (source, hides) in [
        ("let t = tools; t = null; t.a.b()", true),
        ("const f = (tools) => tools.a.b()\nf(1)", false),
        ("function g(tools) { tools.a.b() }", false),
        ("{ const tools = { a: { b() {} } }; tools.a.b() }", false),
        ("const k = 'b'; tools.a[k]()", true),
        ("const { a = 1 } = tools; a.b()", true),
        ("const { ...rest } = tools; rest.a.b()", true),
        ("tools.then(1); `${tools}`", true),
        ("tools.a.b.toString()", true),
        ("helper(tools)", true),
        ("const { a } = other; a.b()", false),
        ("async (x, tools) => tools.a.b()", false),
        ("const a = tools.b; { const a = 1; a.c() }", false),
    ] {
        assert_eq!(paths(source), [""; 0], "{source}");
        assert_eq!(program(source).hides_calls(), hides, "{source}");
    }
}

/// Arguments with unknown parts as `"?"` and open objects and lists as such.
fn shown(partial: &Partial) -> Value {
    match partial {
        Partial::Unknown => json!("?"),
        Partial::Scalar(value) => value.clone(),
        Partial::List { items, open } => {
            let mut all: Vec<Value> = items.iter().map(shown).collect();
            all.extend(open.then(|| json!("…")));
            Value::Array(all)
        }
        Partial::Object { entries, open } => {
            let all = entries.iter().map(|e| (e.key.clone(), shown(&e.value)));
            let open = open.then(|| ("…".to_owned(), json!(true)));
            Value::Object(all.chain(open).collect())
        }
    }
}

#[test]
fn arguments_are_known_as_far_as_they_are_written_out() {
    for (arguments, expected) in [
        ("", json!({})),
        ("undefined", json!({})),
        ("null, {}", json!({})),
        ("x", json!("?")),
        ("...x", json!("?")),
        ("'text'", json!("text")),
        (
            "{ a: 1, 'b': -2.5, [`c`]: true, 4: null }",
            json!({ "a": 1, "b": -2.5, "c": true, "4": null }),
        ),
        (
            "{ a: `t`, b: `t${1}`, c: 'x' as const, d: (1 satisfies number)!, e: <any>false }",
            json!({ "a": "t", "b": "?", "c": "x", "d": 1, "e": false }),
        ),
        (
            "{ a, b: f(), c: 1 + 1, d: x ? 1 : 2 }",
            json!({ "a": "?", "b": "?", "c": "?", "d": "?" }),
        ),
        ("{ a: undefined, b: void 0, c: 1 }", json!({ "c": 1 })),
        (
            "{ a: 1, ...x, b: 2 }",
            json!({ "a": "?", "b": 2, "…": true }),
        ),
        ("{ [k]: 1, b: 2 }", json!({ "b": 2, "…": true })),
        (
            "{ get a() { return 1 }, m() {}, __proto__: x }",
            json!({ "…": true }),
        ),
        ("{ a: 1, a: 2 }", json!({ "a": 2 })),
        (
            "{ a: [1, , undefined, { b: y }] }",
            json!({ "a": [1, null, null, { "b": "?" }] }),
        ),
        ("{ a: [1, ...x, 2] }", json!({ "a": [1, "…"] })),
        (
            "{ a: 9007199254740993, b: 1e21, c: 10n, d: NaN, e: 1e400, f: 0x10 }",
            json!({ "a": 9_007_199_254_740_992_i64, "b": 1e21, "c": "?", "d": "?", "e": "?", "f": 16 }),
        ),
        (
            "{ a: '\\ud800', b: /x/, c: () => 1, d: new Date() }",
            json!({ "a": "?", "b": "?", "c": "?", "d": "?" }),
        ),
    ] {
        let program = program(&format!("tools.a({arguments})"));
        let [call] = program.visible_calls() else {
            panic!("{arguments}")
        };
        assert_eq!(shown(&call.arguments), expected, "{arguments}");
    }
    let program = program("tools.a({}, { meta: true })");
    assert_eq!(
        program.visible_calls()[0]
            .options
            .part(["meta"].into_iter()),
        Part::Present(&Partial::Scalar(json!(true)))
    );
    let deep = format!("tools.a({{ a: {}1{} }})", "[".repeat(500), "]".repeat(500));
    assert!(
        shown(&self::program(&deep).visible_calls()[0].arguments)
            .to_string()
            .contains('?')
    );
}

#[test]
fn positions_are_those_of_the_source_as_sent() {
    let source = "Sure:\n```ts\n// é\u{2028}\nconst 😀x = `\n`; await tools.a({ b: 1,\r\n  'c': [ { d: 2 } ] });\n```";
    let source = source.replace("😀x", "x");
    let program = program(&source);
    let [call] = program.visible_calls() else {
        panic!("one call")
    };
    assert_eq!((call.place.line, call.place.column), (6, 10));
    let place = |path: &str| {
        let place = call.arguments.place(path.split('.')).unwrap();
        (place.line, place.column)
    };
    assert_eq!(
        (place("b"), place("c"), place("c.0.d")),
        ((6, 20), (7, 3), (7, 12))
    );
}

#[test]
fn a_call_is_guarded_where_the_program_may_catch_its_error() {
    for (source, guarded) in [
        ("await tools.a()", false),
        ("if (x) { return tools.a() }", false),
        ("await Promise.all([tools.a()])", false),
        ("try { await tools.a() } catch {}", true),
        ("try { await tools.a() } finally {}", false),
        ("try { f() } catch { await tools.a() }", false),
        ("try { f() } catch {} finally { await tools.a() }", false),
        (
            "try { try { await tools.a() } finally {} } catch (e) {}",
            true,
        ),
        ("await tools.a().catch(() => null)", true),
        ("await tools.a()?.catch?.(f)", true),
        ("await tools.a().catch()", false),
        ("await tools.a().then(f)", false),
        ("await tools.a().then(f, g)", true),
        ("await f().catch(() => tools.a())", true),
        ("await Promise.all([tools.a()]).then(f).catch(g)", true),
        ("await Promise.allSettled([tools.a()])", true),
        ("await Promise.any([1].map(() => tools.a()))", true),
        ("await Promise.race([tools.a(), timer])", true),
        ("await mine.race([tools.a()])", false),
        ("const f = async () => tools.a(); await f()", false),
        (
            "const f = async () => tools.a(); try { await f() } catch {}",
            true,
        ),
        ("const p = tools.a(); try { await p } catch {}", true),
        ("await tools.a(); try { await f() } catch {}", false),
        ("return tools.a(); try { f() } catch {}", false),
        (
            "async () => { await tools.a(); try { f() } catch {} }",
            false,
        ),
        (
            "export default async (t) => { await t.a(); f().catch(g) }",
            false,
        ),
    ] {
        let program = program(source);
        let [call] = program.visible_calls() else {
            panic!("{source}")
        };
        assert_eq!(call.guarded, guarded, "{source}");
    }
}

#[test]
fn what_is_looked_at_is_bounded() {
    let many = "tools.a();".repeat(1500);
    assert_eq!(program(&many).visible_calls().len(), 1_000);
}
