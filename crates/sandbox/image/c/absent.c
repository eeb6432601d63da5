/*
 * What to say when a program names something that exists elsewhere but not here.
 *
 * `typeof fetch` stays "undefined"; using the name throws a ReferenceError whose
 * message ends with one of these sentences.
 */
static const char *absent_hint(const char *name)
{
    static const struct { const char *name, *hint; } hints[] = {
        { "fetch", ": programs have no network; call a tool instead (await tools.discover({ query: \"…\" }) finds one)" },
        { "XMLHttpRequest", ": programs have no network; call a tool instead" },
        { "WebSocket", ": programs have no network; call a tool instead" },
        { "EventSource", ": programs have no network; call a tool instead" },
        { "require", ": programs load no modules; every tool is already a function under tools" },
        { "module", ": programs are no modules; return the result" },
        { "exports", ": programs are no modules; return the result" },
        { "importScripts", ": programs load no modules; every tool is already a function under tools" },
        { "process", ": programs have no process and no environment; credentials are attached outside, when a tool is called" },
        { "Deno", ": programs run in Executor's own sandbox; use tools" },
        { "Bun", ": programs run in Executor's own sandbox; use tools" },
        { "Buffer", ": use Uint8Array with TextEncoder and TextDecoder, or atob and btoa" },
        { "__dirname", ": programs have no files; use tools" },
        { "__filename", ": programs have no files; use tools" },
        { "setImmediate", ": use setTimeout or queueMicrotask" },
        { "Intl", ": format by hand, or with toFixed and toISOString" },
        { "WebAssembly", ": programs run JavaScript only" },
        { "SharedArrayBuffer", ": programs have one thread; use ArrayBuffer" },
        { "Atomics", ": programs have one thread" },
        { "Worker", ": programs have one thread; use Promise.all for several calls at once" },
        { "WeakRef", ": when garbage is collected is not observable here" },
        { "FinalizationRegistry", ": when garbage is collected is not observable here" },
        { "window", ": there is no page; use globalThis" },
        { "document", ": there is no page" },
        { "global", ": use globalThis" },
        { "self", ": use globalThis" },
        { "localStorage", ": programs keep nothing between runs; return it or call a tool" },
    };
    for (unsigned i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (!strcmp(name, hints[i].name))
            return hints[i].hint;
    return "";
}
