//! The globals a program finds.

use sandbox::{Event, LogLevel};

use crate::host::{result, run};

#[tokio::test]
async fn consoles_write_what_a_person_reads() {
    let source = "
        console.log('a', 1, null, undefined, true, 2n, Symbol('s'), -0);
        console.info({ a: 'x', 'b-c': [1, { d: 2 }], f() {}, [Symbol('k')]: 1 });
        console.warn('%s is %d%% of %j %o', 'x', 42, { a: 1 }, [1], 'rest');
        console.error(new RangeError('bad'));
        console.debug(new Map([['k', new Set([1])]]), new Date(0), /x/g, new Uint8Array(2), class A {});
        const c: any = { n: 1 }; c.c = c; console.log(c, { get x() { throw 1 } }, tools.a);
        console.log(new Proxy({}, { ownKeys() { throw 1 } }));
        console.group('in'); console.log('x\\ny'); console.groupEnd(); console.assert(false, 'no'); console.log()
        console.log('\\ud800|🎉')";
    let lines: Vec<(LogLevel, String)> = run(source)
        .await
        .into_iter()
        .filter_map(|event| match event {
            Event::Log { level, text } => Some((level, text)),
            Event::Call { .. }
            | Event::TurnEnd { .. }
            | Event::Done { .. }
            | Event::Failed(_)
            | Event::Snapshot(_)
            | Event::Lost => None,
        })
        .collect();
    let expected = [
        (LogLevel::Log, "a 1 null undefined true 2n Symbol(s) -0"),
        (
            LogLevel::Info,
            "{ a: \"x\", \"b-c\": [1, { d: 2 }], f: [function f], [Symbol(k)]: 1 }",
        ),
        (LogLevel::Warn, "x is 42% of {\"a\":1} [1] rest"),
        (
            LogLevel::Error,
            "RangeError: bad\n    at <anonymous> (task.ts:5:16)",
        ),
        (
            LogLevel::Debug,
            "Map(1) { \"k\" => Set(1) { 1 } } 1970-01-01T00:00:00.000Z /x/g Uint8Array(2) [0, 0] [function A]",
        ),
        (
            LogLevel::Log,
            "{ n: 1, c: [circular] } { x: [getter] } [tools.a]",
        ),
        (LogLevel::Log, "[a value that throws when read]"),
        (LogLevel::Log, "in"),
        (LogLevel::Log, "  x\n  y"),
        (LogLevel::Error, "Assertion failed no"),
        (LogLevel::Log, ""),
        (LogLevel::Log, "\u{fffd}|🎉"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for ((level, text), (expected_level, expected_text)) in lines.iter().zip(expected) {
        assert_eq!(level, &expected_level, "{text}");
        // Where a line of a stack stands in the emitted code is not the point here.
        let cut = |t: &str| t.split("(task.ts").next().unwrap_or_default().to_owned();
        assert_eq!(cut(text), cut(expected_text));
    }
}

#[tokio::test]
async fn calls_carry_path_arguments_options_and_place() {
    let source = "const r = await tools.git_hub.issues['create-it']({\n  title: 'x', skip: undefined, when: new Date(0), nested: { a: [1, undefined] } },\n  { meta: true });\nreturn r";
    let events = run(source).await;
    let Event::Call {
        seq,
        path,
        arguments,
        options,
        position,
    } = &events[0]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*seq, path.as_str()), (1, "git_hub.issues.create-it"));
    assert_eq!(
        arguments,
        r#"{"title":"x","when":"1970-01-01T00:00:00.000Z","nested":{"a":[1,null]}}"#
    );
    assert_eq!(options, r#"{"meta":true}"#);
    assert_eq!(position.map(|(line, _)| line), Some(1));
}

#[tokio::test]
async fn tool_errors_carry_their_fields() {
    let source = "try { await tools.fail.it({}) } catch (e: any) { return [e instanceof ToolError, e instanceof Error, e.name, e.message, e.code, e.tool, e.status, e.details, e.retryable, String(e), Object.keys(e)] }";
    assert_eq!(
        result(source).await,
        r#"[true,true,"ToolError","it said no","upstream_error","fail.it",500,{"a":1},true,"ToolError: it said no",["code","tool","status","details","retryable"]]"#
    );
}

#[tokio::test]
async fn odd_arguments_are_refused_where_they_are_written() {
    for (arguments, message) in [
        (
            "[1]",
            "tools.a.b takes one plain object of arguments, but was given an array",
        ),
        (
            "5",
            "tools.a.b takes one plain object of arguments, but was given a number",
        ),
        (
            "'x'",
            "tools.a.b takes one plain object of arguments, but was given a string",
        ),
        (
            "tools.c",
            "tools.a.b takes one plain object of arguments, but was given a function",
        ),
    ] {
        let source = format!(
            "try {{ await (tools.a.b as any)({arguments}) }} catch (e: any) {{ return [e.code, e.message] }}"
        );
        assert_eq!(
            result(&source).await,
            serde_json::json!(["invalid_arguments", message]).to_string()
        );
    }
    assert_eq!(
        result(
            "return [await tools.a.b(), await tools.a.b(null as any), await tools.a.b(undefined)]"
        )
        .await,
        "[{},{},{}]"
    );
}

#[tokio::test]
async fn the_tools_object_behaves() {
    for (source, expected) in [
        (
            "let made; try { new (Math.random as any)(); made = 'made' } catch (e) { made = e.name } return [made, String(Math.random), String(setTimeout), String(ToolError), String(tools.x.call), String(() => 1)]",
            r#"["TypeError","function random() {\n    [native code]\n}","function setTimeout() {\n    [native code]\n}","function ToolError() {\n    [native code]\n}","[tools.x.call]","() => 1"]"#,
        ),
        (
            "return [typeof tools, typeof tools.x.y, `${tools.x.y}`, await Promise.resolve(tools.x) === tools.x]",
            r#"["function","function","[tools.x.y]",true]"#,
        ),
        ("return JSON.stringify({ t: tools.x })", r#""{}""#),
        (
            "return ['x' in tools, 'then' in tools, Object.keys(tools)]",
            r#"[true,false,[]]"#,
        ),
        (
            "try { (tools as any).x = 1 } catch (e: any) { return e.message }",
            r#""tools cannot be changed (x)""#,
        ),
        (
            "const { a } = tools; const { b: c } = a; return await c({ n: 1 })",
            r#"{"n":1}"#,
        ),
        (
            "const call = tools.a.b; return await Promise.all([1, 2].map(n => call({ n })))",
            r#"[{"n":1},{"n":2}]"#,
        ),
        ("return await tools.a.b.call.apply({ n: 1 })", r#"{"n":1}"#),
    ] {
        assert_eq!(result(source).await, expected, "{source}");
    }
}

#[tokio::test]
async fn values_of_the_platform() {
    for (source, expected) in [
        (
            "return [...new TextEncoder().encode('aé🎉\\ud800')]",
            "[97,195,169,240,159,142,137,239,191,189]",
        ),
        (
            "return new TextDecoder().decode(new Uint8Array([0xEF, 0xBB, 0xBF, 97, 0xC3, 0xA9, 0xFF, 0xE2, 0x82]))",
            r#""aé��""#,
        ),
        (
            "const d = new TextDecoder(); return [d.decode(new Uint8Array([0xE2, 0x82]), { stream: true }), d.decode(new Uint8Array([0xAC]))]",
            r#"["","€"]"#,
        ),
        (
            "try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xFF])) } catch (e: any) { return e.name }",
            r#""TypeError""#,
        ),
        (
            "return [btoa('hello'), atob('aGVsbG8='), (() => { try { atob('*') } catch (e: any) { return e.name } })()]",
            r#"["aGVsbG8=","hello","InvalidCharacterError"]"#,
        ),
        (
            "const a: any = { d: new Date(5), m: new Map([[1, { x: 1 }]]), s: new Set([1]), r: /a/gi, b: new Uint8Array([1, 2]), n: 1n, e: new TypeError('t') }; a.self = a; const c: any = structuredClone(a); return [c !== a, c.self === c, +c.d, c.m.get(1).x, c.s.has(1), String(c.r), [...c.b], typeof c.n, c.e.name, c.e instanceof TypeError]",
            r#"[true,true,5,1,true,"/a/gi",[1,2],"bigint","TypeError",true]"#,
        ),
        (
            "try { structuredClone(() => {}) } catch (e: any) { return [e.name, e instanceof DOMException] }",
            r#"["DataCloneError",true]"#,
        ),
        (
            "const u = crypto.randomUUID(); return /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(u) && u !== crypto.randomUUID()",
            "true",
        ),
        (
            "const a = crypto.getRandomValues(new Uint32Array(8)); return new Set(a).size",
            "8",
        ),
        (
            "try { crypto.getRandomValues(new Float64Array(1) as any) } catch (e: any) { return e.name }",
            r#""TypeError""#,
        ),
        (
            "try { crypto.getRandomValues(new Uint8Array(65537)) } catch (e: any) { return e.name }",
            r#""QuotaExceededError""#,
        ),
        (
            "const n = Array.from({ length: 1000 }, Math.random); return [n.every(x => x >= 0 && x < 1), new Set(n).size, n.reduce((a, b) => a + b) / 1000 > 0.4]",
            "[true,1000,true]",
        ),
        (
            "const order: string[] = []; queueMicrotask(() => order.push('m')); Promise.resolve().then(() => order.push('p')); order.push('s'); await null; await null; return order",
            r#"["s","m","p"]"#,
        ),
        (
            "return [new Date(0).getTimezoneOffset(), new Date(0).toString()]",
            r#"[0,"Thu Jan 01 1970 00:00:00 GMT+0000"]"#,
        ),
        (
            "return [(1234.5).toFixed(2), (255).toString(16), (0.1 + 0.2).toString(), 1e21 + '', (-1.5e-9).toString(), parseFloat('1e3')]",
            r#"["1234.50","ff","0.30000000000000004","1e+21","-1.5e-9",1000]"#,
        ),
    ] {
        assert_eq!(result(source).await, expected, "{source}");
    }
}

#[tokio::test]
async fn urls_follow_the_standard() {
    for (input, base, expected) in [
        (
            "https://user:pa%20ss@EXAMPLE.com:443/a/../b/./c?x=1&y=a b#f",
            "",
            "https://user:pa%20ss@example.com/b/c?x=1&y=a%20b#f",
        ),
        ("//other/p", "https://a.com/x/y", "https://other/p"),
        ("../z?q", "https://a.com/x/y/w?old#h", "https://a.com/x/z?q"),
        ("?q=2", "https://a.com/x/y?old#h", "https://a.com/x/y?q=2"),
        ("#n", "https://a.com/x?q#h", "https://a.com/x?q#n"),
        ("", "https://a.com/x?q#h", "https://a.com/x?q"),
        ("/abs", "http://a.com:8080/x", "http://a.com:8080/abs"),
        ("http://192.168.0.257", "", "!"),
        ("http://0x7f.1/", "", "http://127.0.0.1/"),
        ("http://[::1]:3000/x", "", "http://[::1]:3000/x"),
        ("http://[1:2:0:0:5:0:0:8]", "", "http://[1:2::5:0:0:8]/"),
        ("http://münchen.de/ä", "", "http://xn--mnchen-3ya.de/%C3%A4"),
        ("http://a b/", "", "!"),
        ("mailto:a@b.c", "", "mailto:a@b.c"),
        ("data:text/plain,hi there", "", "data:text/plain,hi there"),
        ("file:///C:/a/../b", "", "file:///C:/b"),
        ("https:\\\\a.com\\b", "", "https://a.com/b"),
        ("  https://a.com/\t\n ", "", "https://a.com/"),
        ("nonsense", "", "!"),
        ("http://", "", "!"),
        ("http://a:99999/", "", "!"),
        ("custom://h/p/../q?x#y", "", "custom://h/q?x#y"),
        ("blob:https://a.com/id", "", "blob:https://a.com/id"),
        ("https://a.com/%7Ea/%zz?'", "", "https://a.com/%7Ea/%zz?%27"),
    ] {
        let base = if base.is_empty() {
            "undefined".to_owned()
        } else {
            format!("{base:?}")
        };
        let source =
            format!("try {{ return new URL({input:?}, {base}).href }} catch {{ return '!' }}");
        assert_eq!(
            result(&source).await,
            format!("{expected:?}"),
            "{input} on {base}"
        );
    }
}

#[tokio::test]
async fn url_parts_and_parameters_are_live() {
    let source = "
        const u = new URL('https://a.com:8443/p?x=1&x=2#h');
        const parts = [u.origin, u.protocol, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.searchParams.getAll('x').join()];
        u.searchParams.append('é&', 'a b+c'); u.port = '443'; u.pathname = 'q r'; u.hash = ''; u.hostname = 'B.org'; u.protocol = 'http';
        const after = [u.href, u.searchParams.get('é&')];
        u.search = '?z=9';
        const p = new URLSearchParams({ b: '2', a: '1' }); p.sort(); p.set('c', '3'); p.delete('b');
        return [parts, after, [...u.searchParams], p.toString(), new URLSearchParams([['k', 'v']]).has('k', 'w'), URL.canParse('x:'), URL.parse('x'), JSON.stringify({ u })]";
    assert_eq!(
        result(source).await,
        r##"[["https://a.com:8443","https:","a.com:8443","a.com","8443","/p","?x=1&x=2","#h","1,2"],["http://b.org/q%20r?x=1&x=2&%C3%A9%26=a+b%2Bc","a b+c"],[["z","9"]],"a=1&c=3",false,true,null,"{\"u\":\"http://b.org/q%20r?z=9\"}"]"##
    );
}
