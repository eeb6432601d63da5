//! Ways out that others fell for: none leads anywhere.

use crate::host::{result, run};
use sandbox::Event;

#[tokio::test]
async fn constructors_reach_only_the_same_world() {
    for reach in [
        "globalThis.constructor.constructor",
        "(() => {}).constructor",
        "(async () => {}).constructor",
        "(function* () {}).constructor",
        "(async function* () {}).constructor",
        "(await tools.a.b({})).constructor.constructor",
        "tools.a.b({}).constructor.constructor",
        "(await tools.fail.x({}).catch((e: any) => e)).constructor.constructor",
        "console.log.constructor",
        "setTimeout.constructor",
        "crypto.randomUUID.constructor",
        "Reflect.getPrototypeOf(class {}).constructor",
        "ToolError.constructor",
        "URL.constructor",
    ] {
        let source = format!(
            "const made: any = ({reach})('return [typeof process, typeof require, typeof Deno, typeof Bun, typeof module, typeof native, typeof host, Object.keys(globalThis).length]');
             let it = made(); if (it?.next) it = it.next(); it = await it; return it.value ?? it"
        );
        assert_eq!(
            result(&source).await,
            r#"["undefined","undefined","undefined","undefined","undefined","undefined","undefined",0]"#,
            "{reach}"
        );
    }
}

#[tokio::test]
async fn the_global_object_holds_what_the_contract_names_and_nothing_of_ours() {
    let names = result("return Object.getOwnPropertyNames(globalThis).sort().join(' ')").await;
    assert_eq!(
        names.trim_matches('"'),
        "AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean DOMException DataView Date DisposableStack Error EvalError Float16Array Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array InternalError Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String SuppressedError Symbol SyntaxError TextDecoder TextEncoder ToolError TypeError URIError URL URLSearchParams Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet atob btoa clearInterval clearTimeout console crypto decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite isNaN parseFloat parseInt performance queueMicrotask setInterval setTimeout structuredClone tools undefined unescape"
    );
}

#[tokio::test]
async fn a_program_cannot_reach_the_machinery_by_tampering() {
    // Every built-in that the prelude could be using is replaced by a spy; nothing of ours may show up in it.
    let source = "
        const seen: string[] = [];
        const spy = (name: string) => function (this: any, ...args: any[]) {
            for (const it of [this, ...args]) if (it && typeof it === 'object' && ('timer' in it || 'call' in it && typeof it !== 'function')) seen.push(name);
            return undefined;
        };
        for (const proto of [Array.prototype, Map.prototype, Promise.prototype, String.prototype, RegExp.prototype] as any[])
            for (const name of Object.getOwnPropertyNames(proto))
                if (typeof Object.getOwnPropertyDescriptor(proto, name)!.value === 'function' && name !== 'constructor' && name !== 'then' && !(proto === Array.prototype && name === 'push')) proto[name] = spy(name);
        const attempts = [() => console.log({ a: [1] }, 'x %s', 1), () => tools.a.b({ x: 1 }), () => new URL('https://a/b?c=d'), () => structuredClone({ a: new Map([[1, 2]]) }), () => setTimeout(() => {}, 1), () => String(tools.x)];
        for (const attempt of attempts) try { attempt() } catch {}
        return seen.length";
    assert_eq!(result(source).await, "0");
}

#[tokio::test]
async fn stacks_and_callers_show_nothing() {
    for (source, expected) in [
        (
            "(Error as any).prepareStackTrace = (_: any, sites: any) => sites; return typeof new Error('x').stack",
            r#""string""#,
        ),
        (
            "const o: any = {}; (Error as any).captureStackTrace(o); return typeof o.stack",
            r#""string""#,
        ),
        (
            "return /\\/|host|src|rust|wasm/.test(new Error('x').stack!)",
            "false",
        ),
        (
            "function f() { try { return (f as any).caller } catch (e) { return (e as Error).name } } return [1].map(f)[0]",
            r#""TypeError""#,
        ),
        (
            "function f() { try { return (arguments as any).callee } catch (e) { return (e as Error).name } } return f()",
            r#""TypeError""#,
        ),
        (
            "return [typeof WebAssembly, typeof SharedArrayBuffer, typeof Atomics, typeof WeakRef, typeof FinalizationRegistry, typeof Intl, typeof fetch]",
            r#"["undefined","undefined","undefined","undefined","undefined","undefined","undefined"]"#,
        ),
        (
            "return await eval('import(\"node:fs\")').catch((e: any) => e.message)",
            r#""import is not available in a program: every tool is already a function under tools""#,
        ),
        (
            "return await new Function('return import(\"data:text/javascript,1\")')().catch((e: any) => e.name)",
            r#""TypeError""#,
        ),
        ("return (0, eval)('typeof tools.x')", r#""function""#),
        (
            "try { (setTimeout as any)('x', 1) } catch (e: any) { return e.message }",
            r#""setTimeout takes a function; code as text is not run""#,
        ),
    ] {
        assert_eq!(result(source).await, expected, "{source}");
    }
}

#[tokio::test]
async fn arguments_are_read_once() {
    let source = "
        let reads = 0;
        const args: any = new Proxy({ to: 'me' }, { get(t: any, k) { if (k === 'to') return reads++ ? 'attacker' : 'me'; return t[k] } });
        const sent = tools.mail.send(args);
        args.to = 'attacker';
        return [await sent, reads]";
    let events = run(source).await;
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::Call { arguments, .. } if arguments == r#"{"to":"me"}"#)),
        "{events:?}"
    );
    assert!(
        matches!(events.last(), Some(Event::Done { result, .. }) if result == r#"[{"to":"me"},1]"#),
        "{events:?}"
    );
}

#[tokio::test]
async fn no_text_closes_the_wrapper() {
    for (source, expected) in [
        ("return 1 /* }) */ // })", "1"),
        ("return '\u{2028}})()//'.length", "7"),
        ("// \u{2029}return 5", "5"),
        ("return `})(); ${'})'}`", r#""})(); })""#),
        ("return '</script><!--'", r#""</script><!--""#),
        ("return /\\}\\)/.source", r#""\\}\\)""#),
        (
            "enum E { A = 'x', B = A } namespace N { export const v = 2 } declare const nothing: number; return [E.B, N.v, typeof nothing]",
            r#"["x",2,"undefined"]"#,
        ),
        (
            "import type { X } from 'x'; abstract class P { constructor(public a: number, private b = 2) {} sum() { return this.a + this.b } } class Q extends P {} return new Q(1).sum()",
            "3",
        ),
        (
            "const f = <T,>(x: T): T => x; return f<number>(1)! satisfies number as unknown",
            "1",
        ),
        ("return arguments.length + String(this)", r#""0undefined""#),
        ("var tools = { mine: 1 } as any; return tools.mine", "1"),
    ] {
        assert_eq!(result(source).await, expected, "{source}");
    }
}

/// Shapes of known faults of the engine's family: an answer or an error, never a lost worker.
#[tokio::test]
async fn known_engine_faults_do_not_end_the_worker() {
    for source in [
        "const b = new ArrayBuffer(64); const a = new Uint8Array(b); a.sort(() => { (b as any).transfer?.(); return 1 }); return a.length",
        "const a = [1, 2, 3, 4]; return a.sort(() => { a.length = 0; return 1 }).length",
        "const a = [1, 2, 3]; let n = 0; for (const x of a) { if (n++ < 1000) a.push(x); } return a.length",
        "const r = /a/y; Object.defineProperty(r, 'lastIndex', { value: -1, writable: false }); try { r.exec('a') } catch {} return 1",
        "const r: any = /a/g; r.lastIndex = { valueOf() { r.compile('b'); return 0 } }; return r.exec('ab') === null",
        "const it = Iterator.from([1, 2, 3]).map(() => it.next()); try { it.next() } catch {} return 1",
        "const b: any = new ArrayBuffer(16, { maxByteLength: 32 } as any); const d = new DataView(b); b.resize(0); try { d.getInt32(0) } catch {} return 1",
        "const a: any = [1.1, 2.2]; a.__proto__ = new Proxy([], { get() { a.length = 0 } }); a.concat([{}]); return 1",
        "const b = new ArrayBuffer(8); const t = new Uint32Array(b); t.fill({ valueOf() { (b as any).transfer(); return 1 } } as any); return 1",
        "const m = new Map([[1, 1]]); m.forEach((_, k) => { if (k < 1000) { m.delete(k); m.set(k + 1, 1) } }); return m.size",
        "Array.prototype.splice.call(new Proxy([1, 2, 3], { deleteProperty() { return false } } as any), 0, 1); return 1",
        "const o: any = {}; for (let i = 0; i < 1e4; i++) o['k' + i] = i; for (const k in o) { delete o[k] } return Object.keys(o).length",
    ] {
        let end = run(source).await.pop();
        assert!(
            matches!(end, Some(Event::Done { .. } | Event::Failed(_))),
            "{source}: {end:?}"
        );
    }
}
