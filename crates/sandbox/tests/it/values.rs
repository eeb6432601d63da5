//! What programs return, log and call.

use crate::host::result;

#[tokio::test]
async fn results_are_json() {
    for (source, expected) in [
        ("return 1 + 1", "2"),
        ("1 + 1", "2"),
        (
            "const a: number[] = [3, 1, 2]; a.sort(); return { a, n: a.length }",
            r#"{"a":[1,2,3],"n":3}"#,
        ),
        ("return", "null"),
        ("return undefined", "null"),
        ("return 'ünïcödé 🎉 \\ud800'", r#""ünïcödé 🎉 \ufffd""#),
        (
            "async () => ({ x: await Promise.resolve(5) })",
            r#"{"x":5}"#,
        ),
        ("async function main() { return 7 }", "7"),
        ("export default async function () { return 8 }", "8"),
        (
            "export default async function main(t) { return await t.echo.it({ a: 1 }) }",
            r#"{"a":1}"#,
        ),
        ("```ts\nreturn 9\n```", "9"),
        ("Here you go:\n```typescript\nreturn 10\n```\nEnjoy!", "10"),
        ("await tools.a.b({ x: 1 })", r#"{"x":1}"#),
        ("await tools['a.b']({ x: 1 })", r#"{"x":1}"#),
        ("await tools.discover('mail')", r#"{"query":"mail"}"#),
        ("await tools.describe('a.b')", r#"{"path":"a.b"}"#),
        (
            "return String(tools.a.b) + typeof tools.then",
            r#""[tools.a.b]undefined""#,
        ),
    ] {
        assert_eq!(result(source).await, expected, "{source}");
    }
}
