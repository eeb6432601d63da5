//! Programs that must not tell one runtime from another.

/// Replaces every built-in that ours could be using by a spy. Says what of ours showed up in one,
/// how its attempts went, and, as the control, what shows up when something does.
pub(super) const TAMPERING: &str = "
    let seen = ''; let outcomes = '';
    const ours = ['timer', 'settle', 'resolve', 'reject', 'due', 'hop', 'post', 'HOST', 'exchange', 'env', 'limits', 'wire', 'seq', 'getFileName'];
    const look = (name: string, it: any) => { if (it && typeof it === 'object') for (let i = 0; i < ours.length; i++) if (ours[i] in it) seen += name + ':' + ours[i] + ' ' };
    const spied = (name: string, real: any) => function (this: any, ...args: any[]) { look(name, this); for (let i = 0; i < args.length; i++) look(name, args[i]); return apply(real, this, args) };
    const { apply } = Reflect;
    for (const owner of [Array.prototype, Map.prototype, Set.prototype, Promise.prototype, String.prototype, RegExp.prototype, Date.prototype, Uint8Array.prototype, Object.getPrototypeOf(Uint8Array.prototype), Function.prototype, Object, Reflect, JSON, Promise, Math, Array] as any[])
        for (const name of Object.getOwnPropertyNames(owner)) {
            const { value, configurable } = Object.getOwnPropertyDescriptor(owner, name)!;
            if (typeof value !== 'function' || !configurable || name === 'constructor' || name === 'apply' || owner === Reflect && name === 'apply') continue;
            const real = value; const spy = spied(name, real);
            Object.defineProperty(owner, name, { value: function (this: any) { return apply(spy, this, arguments) }, configurable: true, writable: true });
        }
    for (const key of ['0', '1', 'then', 'toJSON']) if (!(key in Object.prototype)) Object.defineProperty(key === '0' || key === '1' ? Array.prototype : Object.prototype, key, { set(value) { look('set ' + key, this); look('set ' + key, value); Object.defineProperty(this, key, { value, writable: true, configurable: true, enumerable: true }) }, get() { look('get ' + key, this); return undefined }, configurable: true });
    Error.stackTraceLimit = 50;
    const attempts = [() => console.log({ a: [1] }, 'x %s', 1), () => tools.a.b({ x: 1 }), () => new URL('https://a/b?c=d').href, () => structuredClone({ a: new Map([[1, 2]]) }), () => setTimeout(() => {}, 1), () => String(tools.x), () => new Date().toLocaleString(), () => crypto.randomUUID(), () => (globalThis as any).nothing.x, () => new TextEncoder().encode('é')];
    for (let i = 0; i < attempts.length; i++) try { const it: any = attempts[i](); look('returned', it); outcomes += typeof it + ' ' } catch (e: any) { look('caught', e); outcomes += e.name + ' ' }
    const { a } = tools; await a.c({ n: 1 }); await new Promise((done) => setTimeout(done, 5));
    const found = seen; Object.keys({ seq: 1 });
    return found + '|' + outcomes + '|' + seen";

/// Each with answers from `echo`, one second apart.
pub(super) const SAME: &[&str] = &[
    // values
    "return 1 + 1",
    "return",
    "return 'ünïcödé 🎉 \\ud800'",
    "return { a: [1, { b: 'x\\n\"' }], '\\udfff': 1, u: undefined, n: null, d: new Date(5), nan: NaN, z: -0 }",
    "async () => ({ x: await Promise.resolve(5) })",
    "export default async function main(t) { return await t.echo.it({ a: 1 }) }",
    "```ts\nreturn 9\n```",
    "await tools['a.b']({ x: 1 })",
    "const i = 0; const f = [tools.a.b]; await f[0]({}); await f[i]({}); await tools['x'].y({}); return await tools.p['q']({})",
    "const call = tools.a.b;\nawait call({});\nawait call.call(null, { n: 1 });\nreturn await [1].map((n) => call({ n }))[0]",
    "await tools.discover('mail')",
    "return String(tools.a.b) + typeof tools.then",
    "enum E { A = 'x', B = A } namespace N { export const v = 2 } abstract class P { constructor(public a: number, private b = 2) {} sum() { return this.a + this.b } } class Q extends P {} return [E.B, N.v, new Q(1).sum()]",
    "return arguments.length + String(this)",
    // calls
    "const r = await tools.git_hub.issues['create-it']({\n  title: 'x', skip: undefined, when: new Date(0), nested: { a: [1, undefined] }, s: '\\ud800é' },\n  { meta: true });\nreturn r",
    "return await Promise.all([3, 1, 2].map((n) => tools.a.b({ n })))",
    "return await Promise.race([tools.a.first({}), tools.a.second({})])",
    "return await Promise.allSettled([tools.a.b({ n: 1 }), tools.fail.x({}), tools.a.b(5 as any)])",
    "return await Promise.any([tools.fail.a({}), tools.a.b({ n: 2 })])",
    "const out = []; for (let i = 0; i < 5; i++) out.push(await tools.a.b({ i })); return out",
    "const log: string[] = []; const job = async (n: string) => { for (let i = 0; i < 3; i++) { await tools.a[n]({ i }); log.push(n + i); await null } }; await Promise.all([job('x'), job('y'), job('z')]); return log",
    "function helper(x: number) { return tools.a.b({ x }) }\nclass Api {\n  async get(n: number) {\n    return await tools.api.get({ n });\n  }\n}\nawait helper(1);\nawait new Api().get(2);\nconst f = async () =>\n  tools.c.d(\n    { y: 2 });\nreturn f()",
    "for await (const x of (async function* () { yield tools.a.b({ n: 1 }); yield await tools.a.b({ n: 2 }) })()) console.log(x)",
    "tools.a.b({ n: 'not awaited' }); tools.a.c({}).then(console.log); return await tools.a.d({})",
    "return await tools.a.b({ toJSON() { return { given: 1 } } } as any)",
    "try { await (tools.a.b as any)([1]) } catch (e: any) { return [e.code, e.message, e.tool] }",
    "try { await tools.a.b({}, [] as any) } catch (e: any) { return [e.name, e.message] }",
    // tool errors
    "try { await tools.fail.it({}) } catch (e: any) { return [e instanceof ToolError, e instanceof Error, e.name, e.message, e.code, e.tool, e.status, e.details, e.retryable, String(e), Object.keys(e), e.stack] }",
    "const x = 1;\n\nawait tools.fail.hard({ x });",
    "const go = async () => {\n  return await tools.fail.hard({});\n};\nawait go()",
    "throw new ToolError({ code: 'denied_by_policy', message: 'mine' })",
    "await (tools.a.b as any)('text')",
    // errors
    "throw 'plain'",
    "throw { a: 1 }",
    "throw undefined",
    "throw null",
    "throw new Error('')",
    "throw new Error('outer', { cause: new TypeError('inner') })",
    "await new Promise((_, reject) => reject(new TypeError('t')))",
    "setTimeout(() => { throw new Error('late') }, 5); await new Promise(() => {})",
    "const a: any = {}; a.a = a; return a",
    "return { n: 1n }",
    "let a: any = 1; for (let i = 0; i < 200; i++) a = [a]; return a",
    "const a: any = {}; a.a = a; await tools.x.y(a)",
    "await tools.x.y({ n: 1n })",
    "let a: any = 1; for (let i = 0; i < 200; i++) a = [a]; await tools.x.y({ a })",
    "throw { get message() { throw 1 }, __proto__: Error.prototype }",
    "return { toJSON() { throw new RangeError('mine') } }",
    "enum Color { Red = 1 }\n\ninterface Point {\n  x: number;\n}\nfunction check(p: Point): asserts p is Point {\n  if (p.x < 0) {\n    throw new RangeError(`negative ${Color.Red}`);\n  }\n}\n\ncheck({ x: -1 } satisfies Point);",
    "const deep = (n: number): number => {\n  if (n === 0) throw new Error('bottom');\n  return deep(n - 1) + 1;\n};\ndeep(3)",
    "async function a() {\n  await null;\n  throw new Error('after');\n}\nasync function b() {\n  await a();\n}\nawait b()",
    "const o = {\n  m() {\n    [1, 2].map((x) => {\n      if (x === 2) throw new Error('in map');\n      return x;\n    });\n  } };\no.m()",
    "const e = new Error('kept');\nconst f = () => { throw e };\nf()",
    "await new Promise(() => {})",
    "await { then() {} }",
    "await fetch('https://x')",
    "return process.env.KEY",
    "const fs = require(name()); function name() { return 'fs' }",
    "new WebAssembly.Module()",
    "new SharedArrayBuffer(1)",
    "Intl.NumberFormat()",
    "tools()",
    "setTimeout('x' as any)",
    // the world
    "console.log('a', 1, null, undefined, true, 2n, Symbol('s'), -0); console.info({ a: 'x', 'b-c': [1, { d: 2 }], f() {}, [Symbol('k')]: 1 }); console.warn('%s is %d%% of %j %o', 'x', 42, { a: 1 }, [1], 'rest'); console.debug(new Map([['k', new Set([1])]]), new Date(0), /x/g, new Uint8Array(2), class A {})",
    "const c: any = { n: 1 }; c.c = c; console.log(c, { get x() { throw 1 } }, tools.a); console.log(new Proxy({}, { ownKeys() { throw 1 } }))",
    "console.group('in'); console.log('x\\ny'); console.groupEnd(); console.assert(false, 'no'); console.log(); console.log('\\ud800|🎉')",
    "console.error(new RangeError('bad'));\nconst f = () => new TypeError('made');\nconsole.log(f(), [new Error('in')])",
    "class Point { x = 1; #y = 2 } console.log(new Point(), Object.create(null), new (class extends Map {})([[1, 2]]), Promise.resolve(1), new ArrayBuffer(3), new DataView(new ArrayBuffer(1)), [, 1], new Array(3), [undefined], Object.assign([1], { a: 1 }))",
    "try { null!.x } catch (e: any) { return [e.name, e instanceof TypeError] }",
    "return [...new TextEncoder().encode('aé🎉\\ud800')].concat([...new TextEncoder().encode('\\u07ff\\u0800\\uffff')])",
    "return new TextDecoder().decode(new Uint8Array([0xEF, 0xBB, 0xBF, 97, 0xC3, 0xA9, 0xFF, 0xE2, 0x82, 0xF0, 0x9F, 0x8E, 0x89, 0xED, 0xA0, 0x80]))",
    "const d = new TextDecoder(); return [d.decode(new Uint8Array([0xE2, 0x82]), { stream: true }), d.decode(new Uint8Array([0xAC]))]",
    "try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xFF])) } catch (e: any) { return e.name + e.message }",
    "const why = (f: any) => { try { return f() } catch (e: any) { return [e.name, e.code, e instanceof DOMException, e instanceof Error] } }; return [btoa('hello'), btoa(''), btoa('ÿ\\0a'), atob('aGVsbG8='), atob(' aG Vs bG8'), atob('aGVsbA=='), why(() => atob('*')), why(() => atob('a')), why(() => atob('aGVsbG8==')), why(() => btoa('é€'))]",
    "const a: any = { d: new Date(5), m: new Map([[1, { x: 1 }]]), s: new Set([1]), r: /a/gi, b: new Uint8Array([1, 2]), n: 1n, e: new TypeError('t') }; a.self = a; const c: any = structuredClone(a); return [c !== a, c.self === c, +c.d, c.m.get(1).x, c.s.has(1), String(c.r), [...c.b], typeof c.n, c.e.name, c.e instanceof TypeError]",
    "try { structuredClone(() => {}) } catch (e: any) { return [e.name, e.code, e.message, e instanceof DOMException] }",
    "return [crypto.randomUUID(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint32Array(8))], [...crypto.getRandomValues(new Int8Array(70))], Math.random(), Math.random(), Array.from({ length: 50 }, Math.random)]",
    "try { crypto.getRandomValues(new Uint8Array(65537)) } catch (e: any) { return [e.name, e.code] }",
    "const order: string[] = []; queueMicrotask(() => order.push('m')); Promise.resolve().then(() => order.push('p')); order.push('s'); await null; await null; return order",
    "queueMicrotask(() => { throw new Error('dropped') }); Promise.reject(new Error('unhandled')); await tools.a.b({}); return 1",
    "const log: string[] = []; const a = async () => { log.push('a1'); await b(); log.push('a2') }; const b = async () => { log.push('b1'); await null; log.push('b2'); return Promise.resolve().then(() => log.push('b3')) }; const p = a(); new Promise<void>((r) => { log.push('p'); r() }).then(() => log.push('t1')).then(() => log.push('t2')).then(() => log.push('t3')).then(() => log.push('t4')); await p; return log",
    "return [new Date(0).getTimezoneOffset(), new Date(0).toString(), new Date(0).toTimeString(), new Date(1e12).toLocaleString(), new Date(1e12).toLocaleDateString(), new Date(1e12).toLocaleTimeString(), String(new Date(NaN)), new Date(NaN).toLocaleString(), typeof Date(), Date() === new Date().toString(), new Date(2020, 1, 29, 12).toISOString(), Date.UTC(2020, 0), new Date('2020-01-01T00:00:00Z').getTime(), Date.length, Date.name, new Date() instanceof Date, Object.prototype.toString.call(new Date())]",
    "return [Date.now(), new Date().toISOString(), performance.now(), performance.timeOrigin, await tools.a.b({}), Date.now(), +new Date(), performance.now()]",
    "class D extends Date { more() { return this.getTime() + 1 } } return [new D(5).more(), new D().more(), new D() instanceof Date, structuredClone(new Date(7)).getTime()]",
    "return [(1234.5).toFixed(2), (255).toString(16), (0.1 + 0.2).toString(), 1e21 + '', (-1.5e-9).toString(), parseFloat('1e3'), (1234567.891).toLocaleString(), 12345n.toLocaleString(), (25).toPrecision(1), (1e-7).toExponential(3)]",
    "return [['b', 'a', 'C', 'ä', 'z', '🎉', '\\uffee'].sort((a, b) => a.localeCompare(b)), 'a'.localeCompare('a'), 'e\\u0301'.localeCompare('é'), 'I'.toLocaleLowerCase(), 'ß'.toLocaleUpperCase()]",
    "return [10, 9, 1, undefined, 'b', 'a'].sort()",
    "return ['x'.padStart(5, 'ab'), 'a-b-c'.replaceAll('-', '+'), 'abc'.at(-1), [1, [2, [3]]].flat(Infinity), Object.groupBy([1, 2, 3], (n) => n % 2 ? 'odd' : 'even'), [3, 1, 2].toSorted(), Object.fromEntries([['a', 1]]), 'aXbX'.split('X'), [...'añ🎉'].length, /(?<y>\\d{4})/.exec('in 2020')!.groups!.y, 'é'.normalize('NFD').length, encodeURIComponent('ä&🎉'), decodeURIComponent('%E2%82%AC'), isNaN(NaN), parseInt('12px')]",
    "return [JSON.stringify({ a: [1, { b: undefined }], d: new Date(0) }, null, 2), JSON.parse('[1e3,\"\\\\u00e9\"]', (k, v) => typeof v === 'number' ? v + 1 : v)]",
    "const seen = new Set(); for (const k in { b: 1, a: 2, 1: 3, 0: 4 }) seen.add(k); return [[...seen], Object.keys({ z: 1, 5: 1, y: 2, 2: 1 }), Reflect.ownKeys({ b: 1, [Symbol.iterator]: 1, 3: 1 }).map(String)]",
    "return new URL('https://user:pa%20ss@EXAMPLE.com:443/a/../b/./c?x=1&y=a b#f').href + new URL('http://münchen.de/ä').href + new URLSearchParams({ b: '2', a: 'x y' })",
    "const u = new URL('https://a.com:8443/p?x=1&x=2#h'); u.searchParams.append('é&', 'a b+c'); u.port = '443'; return [u.href, URL.canParse('x:'), JSON.stringify({ u })]",
    // time
    "const seen: string[] = []; const start = Date.now(); const note = (name: string) => seen.push(`${name}@${performance.now()}/${Date.now() - start}`); setTimeout(note, 300, 'c'); setTimeout(note, 100, 'a'); setTimeout(note, 100, 'b'); const every = setInterval(() => { note('i'); if (seen.length > 5) clearInterval(every) }, 150); clearTimeout(setTimeout(note, 50, 'never')); setTimeout(() => { note('n'); setTimeout(note, 0, 'nested') }, 200); await tools.x.y({}); note('answer'); return seen",
    "const r = await Promise.race([tools.x.y({}), new Promise(r => setTimeout(r, 400, 'timer'))]); return [r, performance.now()]",
    "await new Promise(r => setTimeout(r, 2500)); console.log(performance.now()); await new Promise(r => setTimeout(r, 1.9)); return [performance.now(), Date.now()]",
    "setTimeout(async () => { await null; console.log('inner'); await tools.t.a({}); console.log('after') }, 10); await tools.t.b({}); await tools.t.c({}); await tools.t.d({}); return 'end'",
    // what is absent, and what cannot be reached
    "return ['fetch', 'process', 'require', 'Bun', 'Deno', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'Intl', 'Buffer', 'setImmediate', 'self', 'window', 'global', 'navigator', 'caches', 'Response', 'Temporal', 'ShadowRealm', 'module', 'exports', '__dirname', 'alert', 'WebSocket', 'Worker', 'MessageChannel', 'AbortController', 'Event'].map((name) => name in globalThis)",
    "return [typeof fetch, typeof process, typeof require, typeof Intl, typeof WebAssembly]",
    "return Object.getOwnPropertyNames(globalThis).sort().join(' ')",
    "return [Object.getPrototypeOf(globalThis) === Object.prototype, Object.keys(globalThis), globalThis === (0, function (this: any) { return globalThis })()]",
    "try { (tools as any).x = 1 } catch (e: any) { return e.message }",
    "return ['x' in tools, 'then' in tools, Object.keys(tools), JSON.stringify({ t: tools.x })]",
    "(Error as any).prepareStackTrace = (_: any, sites: any) => sites; return typeof new Error('x').stack",
    "const o: any = {}; (Error as any).captureStackTrace(o); return typeof o.stack",
    "return /\\/|host|src|node|wasm|executor|native/.test(new Error('x').stack!)",
    "(globalThis as any).mine = 5; var v = 1; return [(globalThis as any).mine, typeof (globalThis as any).v]",
    "Object.freeze(Error); Object.freeze(Promise.prototype); return await tools.a.b({ n: 1 })",
    "Object.defineProperty(Promise.prototype, 'then', { value: undefined }); return 1",
    "(globalThis as any).Promise = null; (globalThis as any).JSON = null; (globalThis as any).Error = null; Map.prototype.get = null as any; return await tools.a.b({ n: 1 })",
    // limits that the program sees
    "const all = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => tools.x.y({ i }))); return all.filter((r) => r.status === 'rejected').map((r: any) => [r.reason.code, r.reason.message])",
    "try { await tools.x.y({ big: 'x'.repeat(11e6) }) } catch (e: any) { return [e.code, e.message] }",
    "const big = 'x'.repeat(6e6); const all = await Promise.allSettled([tools.x.y({ big }), tools.x.z({ big })]); return all.map((r: any) => [r.status, r.reason?.code, r.reason?.message])",
    "try { await (tools as any)['p'.repeat(600)]({}) } catch (e: any) { return [e.code, e.message, e.tool] }",
    "return 'x'.repeat(2e6)",
    "for (let i = 0; ; i++) console.log('x'.repeat(1000), i)",
    "let n = 0; try { for (;;) { setTimeout(() => {}, 1e6); n++ } } catch (e: any) { return [n, e.name, e.message] }",
    "const f = (): number => 1 + f(); try { f(); return 'no' } catch (e) { return (e as Error).name }",
    "const f = (n: number): number => n ? 1 + f(n - 1) : 0; return f(1000)",
];
