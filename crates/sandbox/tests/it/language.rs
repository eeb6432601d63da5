//! The language that agents write, ES2025 and what of ES2026 the engine has: one small program per
//! feature and the value that every other engine gives for it.
//!
//! The whole of test262 runs by hand (`examples/test262`, results in `docs/test262.md`); this is the
//! part that must never break unseen.

use sandbox::{Event, Sandbox};

use crate::host::{drive, echo, isolate, start};

/// Runs each program and compares its result.
async fn gives(table: &[(&str, &str)]) {
    let isolate = isolate().await;
    for (source, expected) in table {
        let mut session = isolate.start(start(source)).await.expect("a place");
        match drive(&mut session, echo).await.pop() {
            Some(Event::Done { result, .. }) => assert_eq!(&result, expected, "{source}"),
            other => panic!("{source}\n{other:?}"),
        }
    }
}

#[tokio::test]
async fn bindings_and_operators() {
    gives(&[
        ("const { a, b: { c = 5, ...d }, ...e } = { a: 1, b: { x: 2, y: 3 }, f: 4 }; return [a, c, d, e]", r#"[1,5,{"x":2,"y":3},{"f":4}]"#),
        ("const [a, , b = 3, ...c] = new Set([1, 2, undefined, 4, 5]); return [a, b, c]", "[1,3,[4,5]]"),
        ("let a = 1, b = 2; [a, b] = [b, a]; return [a, b]", "[2,1]"),
        ("const f = ({ a = 1, b } = { b: 2 }, ...[c, d]) => [a, b, c, d]; return [f(), f({ b: 3 }, 4, 5)]", "[[1,2,null,null],[1,3,4,5]]"),
        ("const o: any = { a: null, n: 0 }; return [o?.a?.b, o.x?.[1], o.f?.(1), o.a ?? 'd', o.n || 'e', delete o?.a]", r#"[null,null,null,"d","e",true]"#),
        ("const o: any = { a: null, b: 1, c: 0 }; o.a ??= 2; o.b &&= 3; o.c ||= 4; return o", r#"{"a":2,"b":3,"c":4}"#),
        ("return [2 ** 10, (-2) ** 3, 2 ** 3 ** 2, 7 % -3, -7 % 3, 1_000_000, 0b101, 0o17, 0xff]", "[1024,-8,512,1,-1,1000000,5,15,255]"),
        ("return [0.1 + 0.2, 1 / 3, 1e21, 5e-324, -0, NaN, Infinity]", "[0.30000000000000004,0.3333333333333333,1e+21,5e-324,0,null,null]"),
        ("return [1 << 31, 1 >>> 0, -1 >>> 0, ~5, 5 & 3, 5 | 3, 5 ^ 3]", "[-2147483648,1,4294967295,-6,1,7,6]"),
        ("outer: for (let i = 0; ; i++) { for (let j = 0; j < 3; j++) { if (j === 1) continue outer; if (i === 3) break outer } if (i > 9) return 'no' } return 'out'", r#""out""#),
        ("const all = []; for (let i = 0; i < 3; i++) all.push(() => i); return all.map((f) => f())", "[0,1,2]"),
        ("switch (3 as number) { case 1: return 'a'; default: case 2: return 'b' }", r#""b""#),
        ("const f = () => { try { return 'try' } finally { order.push('finally') } }; const order: string[] = []; return [f(), order]", r#"["try",["finally"]]"#),
        ("const tag = (s: TemplateStringsArray, ...v: any[]) => s.raw.join('|') + v; return tag`a\\n${1}b${2}`", r#""a\\n|b|1,2""#),
        ("return [typeof null, typeof undefined, typeof 1n, typeof Symbol(), typeof (() => 1), void 0]", r#"["object","undefined","bigint","symbol","function",null]"#),
        ("return ['1' + 1, +'12', +'', +'x', [] + '', `${[1, [2]]}`, null + 1, true + 1, '5' * '2']", r#"["11",12,0,null,"","1,2",1,2,10]"#),
        ("return [Object.is(-0, 0), NaN === NaN, null == undefined, null === undefined, '1' == 1, [1] == 1]", "[false,false,true,false,true,true]"),
    ])
    .await;
}

#[tokio::test]
async fn functions_classes_and_objects() {
    gives(&[
        ("class A { #n = 1; static #made = 0; get n() { return this.#n } set n(v) { this.#n = v * 2 } static make() { A.#made++; return new A() } static get made() { return A.#made } #p() { return 'p' + this.#n } q() { return this.#p() } static is(o) { return #n in o } } const a = A.make(); a.n = 4; return [a.n, a.q(), A.made, A.is(a), A.is({})]", r#"[8,"p8",1,true,false]"#),
        ("class A { x = this.y(); y() { return 'a' } static z: number; static { this.z = 5 } } class B extends A { y() { return 'b' + super.y() } get [Symbol.toStringTag]() { return 'Bee' } } return [new B().x, A.z, String(new B()), new B() instanceof A]", r#"["ba",5,"[object Bee]",true]"#),
        ("class E extends Error { constructor(m: string, public code: number) { super(m, { cause: 'why' }); this.name = 'E' } } try { throw new E('bad', 7) } catch (e: any) { return [e instanceof E, e instanceof Error, String(e), e.code, e.cause] }", r#"[true,true,"E: bad",7,"why"]"#),
        ("const o = { a: 1, get b() { return this.a + 1 }, set b(v) { this.a = v }, ['c' + 1]: 3, async *d() {}, 'e-f': 4, __proto__: { g: 5 } }; o.b = 9; return [o.b, o.c1, o.g, Object.keys(o)]", r#"[10,3,5,["a","b","c1","d","e-f"]]"#),
        ("const p = new Proxy({}, { get: (_, k) => 'got ' + String(k), has: (_, k) => k === 'x', deleteProperty: () => true, ownKeys: () => ['a'], getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) }) as any; return [p.foo, 'x' in p, 'y' in p, delete p.z, Object.keys(p), { ...p }]", r#"["got foo",true,false,true,["a"],{"a":"got a"}]"#),
        ("return [Reflect.ownKeys({ b: 1, 2: 1, a: 1, 1: 1, [Symbol.iterator]: 1 }).map(String), Reflect.construct(Date, [0]).getTime(), Reflect.apply(Math.max, null, [1, 3])]", r#"[["1","2","b","a","Symbol(Symbol.iterator)"],0,3]"#),
        ("return [Object.entries({ a: 1 }), Object.fromEntries([['b', 2]]), Object.groupBy([1, 2, 3], (n) => (n % 2 ? 'odd' : 'even')), Object.hasOwn({ c: 1 }, 'c'), Object.isFrozen(Object.freeze([]))]", r#"[[["a",1]],{"b":2},{"odd":[1,3],"even":[2]},true,true]"#),
        ("'use strict'; try { (Object.freeze({ a: 1 }) as any).a = 2 } catch (e: any) { return e.name }", r#""TypeError""#),
        ("function f(a: number, b = 2, ...c: number[]) { return [f.length, f.name, arguments.length, new.target === undefined] } return f(1, 2, 3)", r#"[1,"f",3,true]"#),
        ("const add = (a: number) => (b: number) => a + b; return [add(1)(2), [1, 2].map(String), ((...n: number[]) => n.length)(...[1, 2], 3)]", r#"[3,["1","2"],3]"#),
        ("const o = { [Symbol.toPrimitive]: (hint: string) => hint }; return [`${o as any}`, +(o as any), (o as any) + '']", r#"["string",null,"default"]"#),
        ("const a = structuredClone({ d: new Date(0), m: new Map([[1, { x: 1 }]]), s: new Set([2]) }); return [a.d.toISOString(), a.m.get(1), a.s.has(2)]", r#"["1970-01-01T00:00:00.000Z",{"x":1},true]"#),
        ("const g = globalThis as any; g.made = 1; return [typeof made, delete g.made, typeof made]", r#"["number",true,"undefined"]"#),
    ])
    .await;
}

#[tokio::test]
async fn iteration_generators_and_promises() {
    gives(&[
        ("function* g(): any { const x = yield 1; try { yield x * 2 } finally { yield 'bye' } } const i = g(); return [i.next(), i.next(21), i.return(9), i.next(), i.next()]", r#"[{"value":1,"done":false},{"value":42,"done":false},{"value":"bye","done":false},{"value":9,"done":true},{"done":true}]"#),
        ("function* a() { yield* [1, 2]; return 3 } function* b(): any { const r = yield* a(); yield r } return [...b()]", "[1,2,3]"),
        ("const log: any[] = []; const it = { [Symbol.iterator]() { let n = 0; return { next: () => ({ value: n++, done: false }), return: () => { log.push('closed'); return {} } } } } as any; for (const x of it) { if (x === 2) break; log.push(x) } return log", r#"[0,1,"closed"]"#),
        ("async function* pages() { for (let p = 1; p <= 3; p++) yield await Promise.resolve([p, p * 10]) } const out = []; for await (const [p, v] of pages()) out.push(p + v); return out", "[11,22,33]"),
        ("const out = []; for await (const x of [Promise.resolve(1), 2]) out.push(x); return [out, await Array.fromAsync([Promise.resolve(3), 4], (n: number) => n * 2)]", "[[1,2],[6,8]]"),
        ("function* n() { let i = 0; for (;;) yield i++ } return [n().filter((x) => x % 2).map((x) => x * x).drop(1).take(3).toArray(), n().take(5).reduce((a, b) => a + b), n().some((x) => x > 3), n().take(2).flatMap((x) => [x, x]).toArray(), n().find((x) => x > 7)]", "[[9,25,49],10,true,[0,0,1,1],8]"),
        ("return [Iterator.from([1, 2]).toArray(), new Map([[1, 2]]).entries().map(([k, v]) => k + v).toArray(), [...'héé🎉'].length]", "[[1,2],[3],4]"),
        ("return await Promise.all([1, Promise.resolve(2), { then: (ok: any) => ok(3) }])", "[1,2,3]"),
        ("return await Promise.allSettled([Promise.reject(new Error('no')), 1]).then((all) => all.map((r: any) => r.reason?.message ?? r.value))", r#"["no",1]"#),
        ("try { await Promise.any([Promise.reject(1), Promise.reject(2)]) } catch (e: any) { return [e.name, e.errors, e instanceof AggregateError] }", r#"["AggregateError",[1,2],true]"#),
        ("return [await Promise.race([new Promise((ok) => setTimeout(ok, 20, 'slow')), new Promise((ok) => setTimeout(ok, 10, 'fast'))]), await Promise.any([Promise.reject(1), Promise.resolve(2)])]", r#"["fast",2]"#),
        ("const { promise, resolve } = Promise.withResolvers<number>(); setTimeout(() => resolve(5), 1); return [await promise, await Promise.try(() => { throw new Error('x') }).catch((e: any) => e.message)]", r#"[5,"x"]"#),
        ("const order: any[] = []; const a = (async () => { order.push(1); await null; order.push(4) })(); queueMicrotask(() => order.push(5)); Promise.resolve().then(() => order.push(6)); setTimeout(() => order.push(8), 0); order.push(2); await a; order.push(7); await new Promise((ok) => setTimeout(ok, 1)); return order", "[1,2,4,5,6,7,8]"),
        ("const f = async () => { try { await Promise.reject(new RangeError('r')) } catch (e: any) { return e.name } finally { done = true } }; let done = false; return [await f(), done]", r#"["RangeError",true]"#),
        ("const order: string[] = []; await Promise.resolve(1).finally(() => { order.push('f') }).then((v) => order.push('v' + v)); return order", r#"["f","v1"]"#),
    ])
    .await;
}

#[tokio::test]
async fn text_and_regular_expressions() {
    gives(&[
        ("const m = /(?<year>\\d{4})-(?<month>\\d\\d)/.exec('on 2026-11-22')!; return [m.index, m[0], m.groups, '2026-11'.replace(/(?<y>\\d+)-(?<m>\\d+)/, '$<m>/$<y>')]", r#"[3,"2026-11",{"year":"2026","month":"11"},"11/2026"]"#),
        ("return ['$42 €43'.match(/(?<=\\$)\\d+/g), '1a2b'.match(/\\d(?!a)/g), 'a\\nb'.match(/a.b/s)![0].length, 'aBc'.replace(/b/i, '_')]", r#"[["42"],["2"],3,"a_c"]"#),
        ("return [[...'a1b22'.matchAll(/[a-z](\\d+)/g)].map((m) => [m[1], m.index]), 'x'.match(/y/), /a(?<n>b)?/d.exec('xab')!.indices![1]]", r#"[[["1",0],["22",2]],null,[2,3]]"#),
        ("return [/^\\p{Lu}\\p{L}+$/u.test('Éa'), /[\\p{Emoji}--[0-9#*]]/v.test('5'), /^\\p{RGI_Emoji}$/v.test('👍🏽'), '🎉'.match(/./u)![0].length, /(?i:a)B/.test('AB')]", "[true,false,true,2,true]"),
        ("const r = /o/g; r.lastIndex = 5; return [r.test('foo boo'), r.lastIndex, 'foo'.search(/o/), 'a-b_c'.split(/[-_]/), 'a1b'.split(/(\\d)/), /a/y.test('ba')]", r#"[true,6,1,["a","b","c"],["a","1","b"],false]"#),
        ("return ['abc'.replace(/b/, (m, at, all) => `[${m}${at}${all}]`), 'a.a'.replaceAll('.', '$&$&'), RegExp.escape('a.b'), 'aXbX'.replaceAll('X', () => '-')]", r#"["a[b1abc]c","a..a","\\x61\\.b","a-b-"]"#),
        ("return ['abc'.at(-1), 'a'.padStart(3, '-'), 'a'.padEnd(3), ' x '.trim(), 'ab'.repeat(2), 'abc'.includes('b', 2), 'abc'.endsWith('b', 2), 'aXb'.toLowerCase(), 'ß'.toUpperCase(), 'abc'.substring(2, 0), 'abc'.slice(-2), 'abc'.substr(-2, 1)]", r#"["c","--a","a  ","x","abab",false,true,"axb","SS","ab","bc","b"]"#),
        ("return ['é'.normalize('NFD').length, 'a\\ud800'.isWellFormed(), 'a\\ud800'.toWellFormed(), '🎉'.codePointAt(0), String.fromCodePoint(127881), 'b'.localeCompare('a'), String.raw`\\n`]", "[2,false,\"a\u{fffd}\",127881,\"🎉\",1,\"\\\\n\"]"),
        ("return [encodeURIComponent('ä &'), decodeURIComponent('%C3%A4'), encodeURI('a b?c=ä'), parseInt('12px'), parseFloat('1.5e3x'), parseInt('zz', 36), Number('0x1f'), Number('1_0')]", r#"["%C3%A4%20%26","ä","a%20b?c=%C3%A4",12,1500,1295,31,null]"#),
        ("return [(1234.5678).toFixed(2), (0.000001234).toString(), (1e21).toString(), (255).toString(16), (12345.678).toExponential(2), (0.1).toPrecision(21), (1.005).toFixed(2), (25).toString(2)]", r#"["1234.57","0.000001234","1e+21","ff","1.23e+4","0.100000000000000005551","1.00","11001"]"#),
    ])
    .await;
}

#[tokio::test]
async fn collections_numbers_and_dates() {
    gives(&[
        ("const a = [3, 1, 2]; return [a.toSorted(), a.toReversed(), a.with(0, 9), a.toSpliced(1, 1), a, a.at(-1), a.findLast((x) => x > 1), a.findLastIndex((x) => x > 5)]", "[[1,2,3],[2,1,3],[9,1,2],[3,2],[3,1,2],2,2,-1]"),
        ("return [[1, [2, [3, [4]]]].flat(Infinity), [1, 2].flatMap((x) => [x, -x]), [1, 2, 3].copyWithin(0, 1), Array.of(7).length, [1, 2, 3].includes(NaN), [1, , 3].indexOf(undefined as any)]", "[[1,2,3,4],[1,-1,2,-2],[2,3,3],1,false,-1]"),
        ("return [[10, 9, 1].sort(), [3, 1, 2].sort((a, b) => b - a), [{ k: 1, n: 'a' }, { k: 0, n: 'b' }, { k: 1, n: 'c' }].sort((a, b) => a.k - b.k).map((o) => o.n), [undefined, 2, , 1].sort()]", r#"[[1,10,9],[3,2,1],["b","a","c"],[1,2,null,null]]"#),
        ("const s = new Set([1, 2, 3]); const t = new Set([3, 4]); return [[...s.union(t)], [...s.intersection(t)], [...s.difference(t)], [...s.symmetricDifference(t)], s.isSupersetOf(new Set([1])), s.isDisjointFrom(t)]", "[[1,2,3,4],[3],[1,2],[1,2,4],true,false]"),
        ("const m = new Map<any, any>([[NaN, 1], ['a', 2]]); m.delete('a'); m.set('b', 3).set('a', 4); return [m.get(NaN), [...m.keys()].map(String), m.size, [...Map.groupBy([1, 2, 3], (n) => n > 1)]]", r#"[1,["NaN","b","a"],3,[[false,[1]],[true,[2,3]]]]"#),
        ("const w = new WeakMap(); const k = {}; w.set(k, 1); return [w.get(k), w.has({}), new WeakSet([k]).has(k)]", "[1,false,true]"),
        ("return [(2n ** 64n).toString(), (-7n / 2n).toString(), BigInt.asUintN(8, 257n).toString(), BigInt('0xff').toString(), 1n < 2, 2n == (2 as any), Number(2n ** 53n)]", r#"["18446744073709551616","-3","1","255",true,true,9007199254740992]"#),
        ("return [Math.trunc(-1.5), Math.sign(-3), Math.hypot(3, 4), Math.cbrt(27), Math.clz32(1), Math.fround(5.5), Math.log2(8), Math.max(), Math.round(-0.5), Math.round(2.5)]", "[-1,-1,5,3,31,5.5,3,null,0,3]"),
        ("return [Number.MAX_SAFE_INTEGER, Number.EPSILON > 0, Number.isInteger(5.0), Number.isSafeInteger(2 ** 53), isNaN('x' as any), Number.isNaN('x')]", "[9007199254740991,true,true,false,true,false]"),
        ("const b = new Uint8Array([1, 2, 300]); const f = new Float64Array(b.length).fill(0.5); const v = new DataView(new ArrayBuffer(8)); v.setInt16(0, -2); v.setFloat32(4, 1.5, true); return [[...b], [...f], v.getUint16(0), v.getFloat32(4, true), [...b.subarray(1)], b.toSorted((x, y) => y - x)[0], [...Uint8Array.from('12', Number)]]", "[[1,2,44],[0.5,0.5,0.5],65534,1.5,[2,44],44,[1,2]]"),
        ("const a = new ArrayBuffer(4, { maxByteLength: 8 }); a.resize(8); const b = a.transfer(2); return [a.detached, b.byteLength, new Uint8ClampedArray([300, -5])[0]]", "[true,2,255]"),
        ("const d = new Date(Date.UTC(2024, 1, 29, 12, 30)); d.setUTCMonth(12); return [d.toISOString(), d.getTimezoneOffset(), Date.parse('2026-11-22'), Date.parse('2026-11-22T10:00:00+02:00'), new Date(NaN).getTime(), JSON.stringify(new Date(0))]", r#"["2025-01-29T12:30:00.000Z",0,1795305600000,1795334400000,null,"\"1970-01-01T00:00:00.000Z\""]"#),
        ("return [new Date(2026, 0, 31).toString().slice(0, 24), new Date(0).toUTCString(), new Date('2026-13-01').getTime(), new Date(2026, 1, 30).getDate()]", r#"["Sat Jan 31 2026 00:00:00","Thu, 01 Jan 1970 00:00:00 GMT",null,2]"#),
        ("return [JSON.stringify({ a: undefined, b: () => 1, c: [undefined, NaN], d: new Map(), e: 'é\\u2028\\ud800' }), JSON.stringify([1, { a: 2 }], null, 2), JSON.stringify({ a: 1, b: 2 }, ['b']), JSON.parse('[1,{\"a\":2}]', (k, v) => (k === 'a' ? v * 2 : v))]", "[\"{\\\"c\\\":[null,null],\\\"d\\\":{},\\\"e\\\":\\\"é\u{2028}\\\\ud800\\\"}\",\"[\\n  1,\\n  {\\n    \\\"a\\\": 2\\n  }\\n]\",\"{\\\"b\\\":2}\",[1,{\"a\":4}]]"),
        ("const e = new Error('m', { cause: { code: 1 } }); return [e.cause, Error.isError(e), Error.isError({}), new AggregateError([1], 'all').errors, typeof e.stack]", r#"[{"code":1},true,false,[1],"string"]"#),
        ("return [Symbol.for('a') === Symbol.for('a'), Symbol('d').description, Symbol.keyFor(Symbol.for('k')), Object(Symbol.iterator).toString()]", r#"[true,"d","k","Symbol(Symbol.iterator)"]"#),
        ("return [typeof eval, new Function('a', 'b', 'return a * b')(6, 7), (0, eval)('1 + 1'), eval('2 + 2')]", r#"["function",42,2,4]"#),
    ])
    .await;
}

#[tokio::test]
async fn what_typescript_adds_at_run_time() {
    gives(&[
        ("enum E { A, B = 5, C, D = 'd' as any } const enum F { X = 1 << 3 } return [E.A, E.C, E[5], F.X]", r#"[0,6,"B",8]"#),
        ("namespace N { export const a = 1; export function f() { return a + 1 } } return [N.a, N.f()]", "[1,2]"),
        ("class P { constructor(private readonly x: number, public y = 2) {} sum() { return this.x + this.y } } return new P(1).sum()", "3"),
        ("const x = <T,>(v: T): T => v; const y = { a: 1 } as const satisfies object; let z!: number; z = y.a; return [x(5), z!, (y as any).b?.c]", "[5,1,null]"),
        ("abstract class A { declare readonly k: string; abstract f(): number; g?(): void } class B extends A { override f() { return 1 } } type T = keyof B; interface I { a: T } return [new B().f(), 'k' in new B()]", "[1,false]"),
        ("function over(a: string): string; function over(a: number): number; function over(this: void, a: any) { return a } return [over('a'), over(1)]", r#"["a",1]"#),
    ])
    .await;
}
