//! Every limit, met by programs that mean harm.

use std::fmt::Write as _;

use sandbox::{Event, FailureCode, Limits, Sandbox, Start, compile};

use crate::host::{
    SOURCE_BYTES_MAX, drive, echo, failure_of, isolate, limits, result, run, run_start, start,
};

fn tight(source: &str) -> Start {
    Start {
        limits: Limits {
            compute_ms: 150,
            memory_bytes: 16 << 20,
            ..limits()
        },
        ..start(source)
    }
}

#[tokio::test]
async fn endless_programs_end_by_their_compute_limit() {
    for source in [
        "while (true) {}",
        "for (;;) { try { while (true) {} } catch {} finally { continue } }",
        "try { while (true) {} } finally { while (true) {} }",
        "const spin = () => { Promise.resolve().then(spin) }; spin(); await new Promise(() => {})",
        "const spin = () => queueMicrotask(spin); spin(); await new Promise(() => {})",
        "const spin = async () => { for (;;) await null }; await spin()",
        "({ get x() { for (;;); } }).x",
        "JSON.stringify({ toJSON() { for (;;); } })",
        "return { toJSON() { for (;;); } }",
        "[3, 2, 1].sort(() => { for (;;); })",
        "'x'.replace(/x/, () => { for (;;); })",
        "/^(a+)+$/.test('a'.repeat(60) + 'b')",
        "console.log({ get [Symbol.toStringTag]() { for (;;); } }); for (;;);",
        "setTimeout(() => { for (;;); }, 1); await tools.x.y({})",
        "setInterval(() => {}, 1); await tools.x.y({}); for (;;);",
        "const b = new Uint8Array(8e6); for (;;) b.fill(1)",
        "const s = 'ab'.repeat(2e6); for (;;) s.indexOf('ba'.repeat(1e6) + 'x')",
        "throw { get message() { for (;;); }, get name() { for (;;); }, get stack() { for (;;); }, __proto__: Error.prototype }",
        "await { then(resolve: any) { for (;;); } }",
        "class A { static { for (;;); } }",
        "for (const x of (function* () { for (;;) yield 1 })());",
        "new Proxy({}, { get() { for (;;); } } as any).x",
        "for (let n = 3n; ; n = n % 2n ** 50000n) n = n * n",
    ] {
        let failure = failure_of(tight(source)).await;
        assert_eq!(
            failure.code,
            FailureCode::ComputeLimit,
            "{source}: {failure:?}"
        );
        assert!(
            failure.message.contains("150 ms (computeMs)"),
            "{}",
            failure.message
        );
        assert!(
            failure.compute_ms >= 150,
            "{source}: {}",
            failure.compute_ms
        );
    }
}

#[tokio::test]
async fn growth_ends_by_the_memory_limit_and_cannot_be_caught() {
    for source in [
        "const a: any[] = []; for (;;) try { a.push(new Array(1e4).fill(a.length)) } catch {}",
        "let s = 'x'; for (;;) try { s += s } catch { s += 'y' }",
        "'x'.repeat(2 ** 29)",
        "const all = []; for (;;) all.push(new ArrayBuffer(1e6))",
        "new Uint8Array(1e9)",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })",
        "let f = () => 0; for (;;) { const g = f; f = () => g() + 1 }",
        "const a = []; for (;;) a.push(/x/g.exec('x'))",
        "return 'x'.repeat(2e7)",
        "Array.from({ length: 1e9 }, (_, i) => i)",
        "JSON.parse('[' + '1,'.repeat(4e6) + '1]')",
        "new Array(1e6).fill(0).map(() => Symbol())",
        "const b = new ArrayBuffer(8, { maxByteLength: 1e9 } as any); b.resize(1e9)",
        "for (let a: any = {}; ; a = { a });",
    ] {
        let mut start = tight(source);
        start.limits.compute_ms = 20_000;
        let failure = failure_of(start).await;
        assert_eq!(
            failure.code,
            FailureCode::MemoryLimit,
            "{source}: {failure:?}"
        );
        assert!(
            failure.message.contains("16777216 bytes (memoryBytes)"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn garbage_is_not_counted() {
    let source = "for (let i = 0; i < 2000; i++) { const a: any = new Array(1e4).fill(i); a.self = a }; let s = 0; for (let i = 0; i < 3e5; i++) { const o: any = { i }; o.o = o; s += o.o.i } return s";
    let mut start = tight(source);
    start.limits.compute_ms = 20_000;
    assert!(
        matches!(run_start(start).await.pop(), Some(Event::Done { result, .. }) if result == "44999850000")
    );
}

#[tokio::test]
async fn recursion_is_an_error_that_can_be_caught() {
    for source in [
        "const f = (): number => 1 + f(); try { f(); return 'no' } catch (e) { return (e as Error).name }",
        "const o: any = {}; o.toJSON = () => JSON.stringify(o); try { JSON.stringify(o); return 'no' } catch (e) { return (e as Error).name }",
        "let a: any = []; for (let i = 0; i < 1e5; i++) a = [a]; try { JSON.stringify(a); return 'no' } catch (e) { return (e as Error).name }",
        "try { JSON.parse('['.repeat(1e6)); return 'no' } catch (e) { return (e as Error).name }",
        "try { new RegExp('('.repeat(1e5) + ')'.repeat(1e5)); return 'no' } catch (e) { return (e as Error).name }",
        "try { eval('('.repeat(1e6)); return 'no' } catch (e) { return (e as Error).name }",
        "const p: any = new Proxy({}, { get: (t, k, r) => r[k] }); try { p.x; return 'no' } catch (e) { return (e as Error).name }",
        "const a: any = [1]; a[Symbol.iterator] = () => [...a][0]; try { [...a]; return 'no' } catch (e) { return (e as Error).name }",
        "let s: any = { toString() { return `${s}` } }; try { `${s}`; return 'no' } catch (e) { return (e as Error).name }",
    ] {
        let answer = result(source).await;
        assert!(
            ["\"RangeError\"", "\"InternalError\"", "\"SyntaxError\""].contains(&answer.as_str()),
            "{source}: {answer}"
        );
    }
    // How deep an honest program may go.
    assert_eq!(
        result("const f = (n: number): number => n ? 1 + f(n - 1) : 0; return f(1000)").await,
        "1000"
    );
}

#[tokio::test]
async fn calls_over_their_limits_reject_in_the_program() {
    let mut start = start(
        "const all = await Promise.allSettled(Array.from({ length: 7 }, (_, i) => tools.x.y({ i })));
         const codes = all.map(r => r.status === 'fulfilled' ? r.value.i : r.reason.code);
         let more = 0; let last: any;
         try { for (;;) { await tools.x.y({}); more++ } } catch (e) { last = e }
         return [codes, more, last instanceof ToolError, last.code, last.message, last.retryable, last.tool]",
    );
    start.limits = Limits {
        calls_max: 10,
        calls_in_flight_max: 4,
        ..limits()
    };
    let Some(Event::Done { result, .. }) = run_start(start).await.pop() else {
        panic!("it ends")
    };
    assert_eq!(
        result,
        r#"[[0,1,2,3,"call_limit_exceeded","call_limit_exceeded","call_limit_exceeded"],6,true,"call_limit_exceeded","this program has made 10 tool calls, the limit per task (calls); an administrator may raise it",false,"x.y"]"#
    );
}

#[tokio::test]
async fn looking_things_up_is_not_counted_but_bounded() {
    let mut start = start(
        "for (let i = 0; i < 30; i++) { await tools.discover('x'); await tools.describe('a.b'); await tools.catalog.tools(); }
         for (let i = 0; i < 10; i++) await tools.x.y({});
         let refused; try { await tools.x.y({}) } catch (e) { refused = e.code }
         return [await tools.results.read({ handle: 'h' }), refused]",
    );
    start.limits.calls_max = 10;
    let events = run_start(start).await;
    let calls = events.iter().filter(|e| matches!(e, Event::Call { .. }));
    assert_eq!(calls.count(), 101);
    let Some(Event::Done { result, .. }) = events.last() else {
        panic!("{:?}", events.last())
    };
    assert_eq!(result, r#"[{"handle":"h"},"call_limit_exceeded"]"#);

    let endless = "let made = 0; try { for (;;) { await tools.describe('x'); made++ } } catch (e) { return [made, e.code] }";
    let Some(Event::Done { result, .. }) = run(endless).await.pop() else {
        panic!("it ends")
    };
    assert_eq!(result, r#"[10000,"call_limit_exceeded"]"#);
}

#[tokio::test]
async fn arguments_in_flight_are_bounded_together() {
    let mut start = start(
        "const large = 'x'.repeat(600);
         const all = await Promise.allSettled([1, 2].map(i => tools.x.y({ i, large })));
         return [all.map(r => r.status === 'fulfilled' ? r.value.i : r.reason.code), (await tools.x.y({ i: 3, large })).i]",
    );
    start.limits.message_bytes_max = 1_000;
    let Some(Event::Done { result, .. }) = run_start(start).await.pop() else {
        panic!("it ends")
    };
    assert_eq!(result, r#"[[1,"call_limit_exceeded"],3]"#);
}

#[tokio::test]
async fn output_over_its_limits_ends_the_program() {
    let mut flood = start("for (;;) console.log('')");
    flood.limits.log_bytes_max = 1000;
    let events = run_start(flood).await;
    assert_eq!(events.len(), 1001, "a thousand empty lines and the end");
    assert!(
        matches!(events.last(), Some(Event::Failed(f)) if f.code == FailureCode::LogLimit && f.message.contains("1000 bytes (logBytes)"))
    );

    let mut large = start("return 'x'.repeat(5000)");
    large.limits.result_bytes_max = 4096;
    let failure = failure_of(large).await;
    assert!(
        failure.code == FailureCode::ResultLimit
            && failure.message.contains("4096 bytes (resultBytes)"),
        "{failure:?}"
    );

    let mut arguments = start(
        "try { await tools.x.y({ a: 'x'.repeat(5000) }) } catch (e: any) { return [e.code, e.message] }",
    );
    arguments.limits.message_bytes_max = 4096;
    let Some(Event::Done { result, .. }) = run_start(arguments).await.pop() else {
        panic!("it ends")
    };
    assert_eq!(
        result,
        r#"["invalid_arguments","the arguments are 5010 bytes, over the limit of 4096 bytes (toolResultBytes); pass less, or have an administrator raise it"]"#
    );
}

#[tokio::test]
async fn compute_is_counted_over_all_turns() {
    let mut start = start(
        "for (let i = 0; i < 1e6; i++) { const until = []; for (let j = 0; j < 2e4; j++) until.push(j); await tools.x.y({}) }",
    );
    start.limits.compute_ms = 150;
    let failure = failure_of(start).await;
    assert_eq!(failure.code, FailureCode::ComputeLimit);
}

#[tokio::test]
async fn large_answers_pass() {
    fn large(_: &str, _: &str) -> sandbox::Outcome {
        sandbox::Outcome::Value(format!("\"{}\"", "é".repeat(4 << 20)).into())
    }
    let isolate = isolate().await;
    let mut session = isolate
        .start(start("return (await tools.x.y({})).length"))
        .await
        .unwrap();
    assert!(
        matches!(drive(&mut session, large).await.pop(), Some(Event::Done { result, .. }) if result == "4194304")
    );
    drop(session);
    let mut session = isolate.start(start("await tools.x.y({})")).await.unwrap();
    assert!(matches!(
        drive(&mut session, echo).await.pop(),
        Some(Event::Done { .. })
    ));
}

/// Whatever a source is, the compiler answers: none of these may overflow a stack.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn no_source_ends_the_compiler() {
    let n = 120_000;
    let mut hostile: Vec<String> = Vec::new();
    for piece in [
        "(",
        "[",
        "{",
        "!",
        "~",
        "- ",
        "+ ",
        "a=>",
        "a=",
        "a?",
        "a?b:",
        "a.",
        "a(",
        "a[",
        "a+",
        "a**",
        "a??",
        "a,",
        "`${",
        "if(a)",
        "for(;;)",
        "while(a)",
        "a:",
        "await ",
        "typeof ",
        "new ",
        "void ",
        "delete ",
        "async()=>",
        "function f(){",
        "class A extends ",
        "class A{b=",
        "({a:",
        "{a:{",
        "[[",
        "...",
        "x as ",
        "<A>",
        "type A=B<",
        "let a:A[",
        "type A=keyof ",
        "type A=()=>",
        "type A = B extends C ? ",
        "/",
        "/(/;(",
        "/\"/;(",
        "/`/;(",
        "/[//]/;(",
        "'\\\n'(",
        "//\u{2028}(",
        "`${/}/;(",
        "a\n(",
        "else ",
        "try{",
        "do ",
        "switch(a){case ",
        "import(",
        "export default ",
        "enum A{",
        "namespace A{",
        "@a ",
        "yield ",
        "\"",
        "'",
        "`",
        "\\u{",
        "\u{2028}",
        "a``",
        "()()",
        "[0]",
        "a!",
        "a satisfies ",
        "x instanceof ",
        "x in ",
        "#",
        "?.a",
        "label:for(;;)",
        "with(a)",
        "(a,",
        "({get a(){",
    ] {
        hostile.push(piece.repeat(n.min((255 << 10) / piece.len())));
        let closed = piece.repeat(3000);
        hostile.push(format!("{closed}1{}", ")]}".repeat(3000)));
    }
    let mut chain = String::from("if (a) b; ");
    for _ in 0..12_000 {
        let _ = write!(chain, "else if (a) b; ");
    }
    hostile.push(chain);
    hostile.push(format!("x{}", ".a()".repeat(50_000)));
    hostile.push(format!("x{}", "\n+ 1".repeat(50_000)));
    hostile.push(format!("return {}1", "\")\" + (".repeat(30_000)));
    for source in hostile {
        // Ok or Err: what counts is that there is an answer.
        let _ = compile(&source, SOURCE_BYTES_MAX);
    }
}

#[test]
fn long_honest_sources_compile() {
    let mut source = String::new();
    for i in 0..2_500 {
        let _ = writeln!(
            source,
            "const v{i} = {{ name: 'item {i}', tags: ['a', 'b'], url: `https://x/${{{i}}}`, re: /[\"'(]+/g }};"
        );
    }
    let _ = write!(source, "return v1{}", " + v2.name.length".repeat(300));
    compile(&source, SOURCE_BYTES_MAX).unwrap_or_else(|e| panic!("{e}"));
    let text = format!(
        "const text = `{}`;\nreturn text.length",
        "Some (text: with - marks, | tables | and --- rules).\n".repeat(4_000)
    );
    compile(&text, SOURCE_BYTES_MAX).unwrap_or_else(|e| panic!("{e}"));
}
