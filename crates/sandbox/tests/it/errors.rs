//! Errors point at the text as it was sent.

use sandbox::{FailureCode, compile};

use crate::host::{SOURCE_BYTES_MAX, failure};

#[tokio::test]
async fn thrown_errors_name_the_line_of_the_typescript() {
    let source = "enum Color { Red = 1 }\n\ninterface Point {\n  x: number;\n}\ntype Id = string | number;\n\nfunction check(p: Point): asserts p is Point {\n  if (p.x < 0) {\n    throw new RangeError(`negative ${Color.Red}`);\n  }\n}\n\ncheck({ x: -1 } satisfies Point);";
    let failure = failure(source).await;
    assert_eq!(
        (
            failure.code,
            failure.name.as_str(),
            failure.message.as_str()
        ),
        (FailureCode::Thrown, "RangeError", "negative 1")
    );
    assert_eq!(failure.line, Some(10));
    let lines: Vec<&str> = failure.stack.lines().collect();
    assert!(
        lines[0].starts_with("    at check (task.ts:10:"),
        "{}",
        failure.stack
    );
    assert!(lines[1].contains("(task.ts:14:"), "{}", failure.stack);
    assert_eq!(lines.len(), 2, "no frame of ours: {}", failure.stack);
}

#[tokio::test]
async fn fences_and_late_lines_keep_their_numbers() {
    let source = "Sure:\n```ts\nconst a: number = 1;\nawait tools.a.b({ a });\nnull.x;\n```\n";
    let failure = failure(source).await;
    assert_eq!(
        (failure.name.as_str(), failure.line),
        ("TypeError", Some(5))
    );
}

#[tokio::test]
async fn an_uncaught_tool_error_keeps_its_fields_and_the_place_of_its_call() {
    let failure = failure("const x = 1;\n\nawait tools.fail.hard({ x });").await;
    assert_eq!(
        (failure.name.as_str(), failure.message.as_str()),
        ("ToolError", "it said no")
    );
    assert_eq!(failure.line, Some(3));
    let tool: serde_json::Value = serde_json::from_str(&failure.tool_error.unwrap()).unwrap();
    assert_eq!(
        (
            tool["code"].as_str(),
            tool["tool"].as_str(),
            tool["status"].as_i64()
        ),
        (Some("upstream_error"), Some("fail.hard"), Some(500))
    );
}

#[tokio::test]
async fn a_tool_error_made_by_the_program_is_only_an_error() {
    let failure =
        failure("throw new ToolError({ code: 'denied_by_policy', message: 'mine' })").await;
    assert_eq!(
        (
            failure.name.as_str(),
            failure.message.as_str(),
            failure.tool_error
        ),
        ("ToolError", "mine", None)
    );
}

#[tokio::test]
async fn anything_can_be_thrown() {
    for (source, name, message) in [
        ("throw 'plain'", "", "plain"),
        ("throw { a: 1 }", "", "{ a: 1 }"),
        ("throw undefined", "", "undefined"),
        (
            "throw new Error('')",
            "Error",
            "the program threw an error without a message",
        ),
        (
            "class Mine extends Error { name = 'Mine' } throw new Mine('m')",
            "Mine",
            "m",
        ),
        (
            "await new Promise((_, reject) => reject(new TypeError('t')))",
            "TypeError",
            "t",
        ),
        (
            "setTimeout(() => { throw new Error('late') }, 5); await new Promise(() => {})",
            "Error",
            "late",
        ),
        (
            "const a: any = {}; a.a = a; return a",
            "TypeError",
            "the result cannot be written as JSON: circular reference",
        ),
        (
            "return { n: 1n }",
            "TypeError",
            "the result cannot be written as JSON: a BigInt has no JSON form; convert it with String() or Number()",
        ),
        (
            "let a: any = 1; for (let i = 0; i < 200; i++) a = [a]; return a",
            "TypeError",
            "the result is nested more than 100 levels deep; return a flatter value",
        ),
        (
            "const a: any = {}; a.a = a; await tools.x.y(a)",
            "TypeError",
            "the arguments cannot be written as JSON: circular reference",
        ),
        (
            "await tools.x.y({ n: 1n })",
            "TypeError",
            "the arguments cannot be written as JSON: a BigInt has no JSON form; convert it with String() or Number()",
        ),
    ] {
        let failure = failure(source).await;
        assert_eq!(
            (
                failure.code,
                failure.name.as_str(),
                failure.message.as_str()
            ),
            (FailureCode::Thrown, name, message),
            "{source}"
        );
    }
}

#[tokio::test]
async fn waiting_for_nothing_fails_at_once() {
    for source in ["await new Promise(() => {})", "await { then() {} }"] {
        assert_eq!(
            failure(source).await.code,
            FailureCode::NeverSettles,
            "{source}"
        );
    }
}

#[tokio::test]
async fn absent_things_say_what_to_use() {
    for (source, hint) in [
        (
            "await fetch('https://x')",
            "fetch is not defined: programs have no network; call a tool instead",
        ),
        (
            "return process.env.KEY",
            "process is not defined: programs have no process and no environment",
        ),
        (
            "const fs = require(name()); function name() { return 'fs' }",
            "require is not defined: programs load no modules",
        ),
        (
            "new WebAssembly.Module()",
            "WebAssembly is not defined: programs run JavaScript only",
        ),
        (
            "new SharedArrayBuffer(1)",
            "SharedArrayBuffer is not defined: programs have one thread",
        ),
        (
            "new XMLHttpRequest()",
            "XMLHttpRequest is not defined: programs have no network",
        ),
        ("Intl.NumberFormat()", "Intl is not defined: format by hand"),
        ("eval('import(\"x\")').then()", ""),
        ("tools()", "tools is not a function: call a tool"),
    ] {
        let failure = failure(source).await;
        assert!(
            failure.message.starts_with(hint),
            "{source}: {}",
            failure.message
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn syntax_errors_name_line_column_and_text() {
    for (source, line, column, message, excerpt) in [
        (
            "const a = 1;\nconst b = ;\n",
            2,
            11,
            "Unexpected token",
            "const b = ;",
        ),
        ("return 1\n}\n", 2, 1, "", "}"),
        (
            "let a;\nlet a;",
            1,
            5,
            "Identifier `a` has already been declared",
            "let a;",
        ),
        (
            "// ünï\nimport fs from 'fs'\nfs.x()",
            2,
            1,
            "import is not available: programs load no modules",
            "import fs from 'fs'",
        ),
        (
            "const x = await import('fs')",
            1,
            17,
            "import() is not available",
            "const x = await import('fs')",
        ),
        (
            "const fs = require('fs')",
            1,
            12,
            "require() is not available",
            "const fs = require('fs')",
        ),
        (
            "return import.meta.url",
            1,
            8,
            "import.meta is not available",
            "return import.meta.url",
        ),
        (
            "export * from 'x'",
            1,
            1,
            "export * from is not available",
            "export * from 'x'",
        ),
        (
            "class A { @log x = 1 }",
            1,
            11,
            "decorators are not available",
            "class A { @log x = 1 }",
        ),
        (
            "```ts\nlet x = 1\nlet y = )\n```",
            3,
            9,
            "Unexpected token",
            "let y = )",
        ),
    ] {
        let error = compile(source, SOURCE_BYTES_MAX).expect_err(source);
        assert!(error.message.starts_with(message), "{source}: {error}");
        assert_eq!(
            (error.line, error.column, error.excerpt.as_str()),
            (line, column, excerpt),
            "{source}: {error}"
        );
    }
    let error = compile(&"x".repeat(300 << 10), SOURCE_BYTES_MAX).unwrap_err();
    assert!(
        error
            .message
            .contains("over the limit of 262144 bytes (sourceBytes)"),
        "{error}"
    );
}
