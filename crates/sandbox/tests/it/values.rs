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

/// `Number()` reads digits by another algorithm than `JSON.parse`, so each checks the other.
#[tokio::test]
async fn numbers_in_json_are_read_to_the_last_bit() {
    let source = r#"
        const texts = ["0", "-0", "0.0", "-0.0", "7", "-2147483648", "2147483648", "999999999", "4294967296", "9007199254740993",
            "123456789012345", "1234567890123456", "12345678901234567890123", "0.1", "0.30000000000000004", "0.000000000000000000000001",
            "1e22", "1E+2", "2e-3", "1.7976931348623157e308", "5e-324", "1e400", "-1e-400", "8.5", "100000.00000000000000000001",
            "0.0000000000000000000000000000123456"];
        for (let i = 0; i < 20000; i++) {
            const digits = () => String(Math.random()).slice(2, 2 + Math.floor(Math.random() * 18)) || "0";
            const whole = Math.random() < 0.3 ? "0" : String(BigInt(digits()));
            texts.push((Math.random() < 0.5 ? "-" : "") + whole + (Math.random() < 0.7 ? "." + digits() : ""));
        }
        return texts.filter(text => !Object.is(JSON.parse(text), Number(text)) || !Object.is(JSON.parse(`[${text} ]`)[0], Number(text)))"#;
    assert_eq!(result(source).await, "[]");
}
