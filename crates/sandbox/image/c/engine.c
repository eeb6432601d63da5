/*
 * QuickJS as a guest: one program, driven turn by turn from outside.
 *
 * The host calls start, deliver and advance; each runs the program until
 * nothing is left to do and ends with exactly one host_end. The four imports
 * below are the whole outside world: no clock, no randomness, no file. Nothing here is trusted by the host; limits
 * that matter to it are enforced again outside (memory, time, message sizes).
 *
 * QuickJS is included as source, not linked, so that the position of a call
 * can be read from the interpreter's own frames.
 */
#include <string.h>
#include <stdint.h>
#include "absent.c"
/* The prelude's file, whose functions read as the built-ins that they are; see the changes to quickjs.c. */
static uint32_t hidden_file;
#include "quickjs.c"

size_t malloc_usable_size(void *p);

#define IMPORT(name) __attribute__((import_module("host"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name), used))

IMPORT("call") void host_call(uint32_t seq, uint32_t line, uint32_t column, const char *path, uint32_t path_len,
                              const char *arguments, uint32_t arguments_len, const char *options, uint32_t options_len);
IMPORT("log") void host_log(uint32_t level, const char *text, uint32_t len);
/* Ends a turn, once: with what is awaited, or with a JSON text. */
IMPORT("end") void host_end(uint32_t how, uint32_t pending_calls, double next_timer_elapsed_ms, const char *json, uint32_t len);
/* Ends the instance at once; a program has no way to catch it. */
IMPORT("limit") _Noreturn void host_limit(uint32_t kind);

enum { LIMIT_MEMORY = 1, LIMIT_LOG = 2, LIMIT_RESULT = 3 };
enum { END_WAITING = 0, END_DONE = 1, END_DONE_UNDEFINED = 2, END_THROWN = 3, END_NEVER_SETTLES = 4 };

#define PROGRAM_FILE "task.ts"
#define PRELUDE_FILE "executor"
#define JSON_DEPTH_MAX 100
#define TIMERS_MAX 10000
#define PATH_BYTES_MAX 512
#define LOOKUPS_MAX 10000
/* Counting references frees most; what only a collection finds may grow this far before the first. */
#define GC_AFTER_BYTES (4 * 1024 * 1024)
/* Of the 512 KiB shadow stack; the rest is room for native code above the check. */
#define SCRIPT_STACK_BYTES (384 * 1024)

struct params {
    uint8_t seed[32];
    double now_ms, elapsed_ms;
    uint32_t memory_bytes, calls_max, calls_in_flight_max, log_bytes_max, result_bytes_max, message_bytes_max;
};

struct pending_call { uint32_t seq, line, column, bytes; JSValue settle[2]; };
struct timer { uint32_t id; double due_ms, interval_ms; JSValue callback; };

double virtual_now_ms;
static double virtual_elapsed_ms;

static JSRuntime *rt;
static JSContext *ctx;
static struct params params;
static size_t memory_used;
static size_t memory_limit = SIZE_MAX;
/* Of last_seq calls so many were look-ups, which the limit on calls leaves out. */
static uint32_t last_seq, lookups, log_bytes;
/* Arguments and options of the calls in flight, as JSON. */
static uint64_t bytes_in_flight;
static struct pending_call *calls;
static uint32_t calls_len, calls_room;
static struct timer *timers;
static uint32_t timers_len, timers_room, last_timer_id;
static JSValue main_promise;
static bool finished;
static JSAtom program_file;
/* Set once by the prelude; held here so that no program can reach them. */
static JSValue hook_tool_error, hook_describe;

/* ---- memory ---- */

static void *counted(void *p)
{
    if (!p)
        host_limit(LIMIT_MEMORY);
    memory_used += malloc_usable_size(p) + MALLOC_OVERHEAD;
    if (memory_used > memory_limit)
        host_limit(LIMIT_MEMORY);
    /* Collect before the limit is met, not after: the engine's own threshold may lie beyond it. */
    if (rt && rt->malloc_gc_threshold > memory_limit)
        rt->malloc_gc_threshold = memory_used + (memory_limit - memory_used) / 2;
    return p;
}

/* Refuses before allocating: a request over the limit must not grow the memory first. */
static void expect_room(size_t size)
{
    if (size > memory_limit || memory_used > memory_limit - size)
        host_limit(LIMIT_MEMORY);
}

static void *engine_calloc(void *opaque, size_t count, size_t size)
{
    expect_room(count * size);
    return counted(calloc(count, size));
}

static void *engine_malloc(void *opaque, size_t size)
{
    expect_room(size);
    return counted(malloc(size));
}

static void engine_free(void *opaque, void *p)
{
    if (!p)
        return;
    memory_used -= malloc_usable_size(p) + MALLOC_OVERHEAD;
    free(p);
}

static void *engine_realloc(void *opaque, void *p, size_t size)
{
    if (!p)
        return engine_malloc(opaque, size);
    size_t before = malloc_usable_size(p) + MALLOC_OVERHEAD;
    if (size > before)
        expect_room(size - before);
    void *q = realloc(p, size);
    if (!q)
        host_limit(LIMIT_MEMORY);
    memory_used -= before;
    return counted(q);
}

static size_t engine_usable_size(const void *p) { return malloc_usable_size((void *)p); }

static const JSMallocFunctions engine_memory = {
    engine_calloc, engine_malloc, engine_free, engine_realloc, engine_usable_size,
};

/* Makes room for one more element in a C array kept beside the script heap. */
static void *grown(void *array, uint32_t len, uint32_t *room, size_t size)
{
    if (len < *room)
        return array;
    *room = *room ? *room * 2 : 16;
    return js_realloc_rt(rt, array, *room * size);
}

/* ---- text that leaves ---- */

/* Lone surrogates are not UTF-8 and the host would refuse the frame: U+FFFD takes their place, byte for byte. */
static void mend_utf8(char *text, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++) {
        if ((uint8_t)text[i] == 0xED && (uint8_t)text[i + 1] >= 0xA0) {
            text[i] = (char)0xEF, text[i + 1] = (char)0xBF, text[i + 2] = (char)0xBD;
            i += 2;
        }
    }
}

/* Same for JSON, where stringify has escaped them; also measures nesting. */
static int mend_json(char *json, size_t len)
{
    int depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = json[i];
        if (in_string) {
            if (c == '"') {
                in_string = false;
            } else if (c == '\\') {
                i++;
                /* stringify leaves only lone surrogates escaped, as \ud8xx .. \udfxx */
                if (i + 4 < len && json[i] == 'u' && json[i + 1] == 'd' && json[i + 2] >= '8')
                    memcpy(json + i + 1, "fffd", 4);
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > deepest)
                deepest = depth;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return deepest;
}

static const char *text_of(JSValueConst value, size_t *len)
{
    const char *text = JS_ToCStringLen(ctx, len, value);
    if (text)
        mend_utf8((char *)text, *len);
    return text;
}

/* ---- ending ---- */

static void ended(uint32_t how, const char *json, size_t len)
{
    finished = true;
    host_end(how, 0, -1, json, len);
}

static void fail_with(JSValue reason)
{
    JSValue described = JS_Call(ctx, hook_describe, JS_UNDEFINED, 1, vc(&reason));
    if (JS_IsException(described)) {
        /* Even describing it threw; say no more than that. */
        JS_FreeValue(ctx, JS_GetException(ctx));
        static const char fallback[] = "{\"name\":\"Error\",\"message\":\"the program threw something that cannot be described\",\"stack\":\"\"}";
        ended(END_THROWN, fallback, sizeof(fallback) - 1);
        return;
    }
    size_t len;
    const char *json = JS_ToCStringLen(ctx, &len, described);
    mend_json((char *)json, len);
    ended(END_THROWN, json, len);
    JS_FreeCString(ctx, json);
    JS_FreeValue(ctx, described);
}

#include "natives.c"

/* ---- turns ---- */

static void finish(void)
{
    JSValue value = JS_PromiseResult(ctx, main_promise);
    JSValue json = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(json)) {
        JSValue error = JS_GetException(ctx);
        fail_with(prefixed_error("the result cannot be written as JSON", error));
        return;
    }
    if (JS_IsUndefined(json)) {
        ended(END_DONE_UNDEFINED, "null", 4);
        return;
    }
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, json);
    if (len > params.result_bytes_max)
        host_limit(LIMIT_RESULT);
    if (mend_json((char *)text, len) > JSON_DEPTH_MAX) {
        JS_ThrowTypeError(ctx, "the result is nested more than %d levels deep; return a flatter value", JSON_DEPTH_MAX);
        fail_with(JS_GetException(ctx));
        return;
    }
    ended(END_DONE, text, len);
}

/* Runs every job that is ready. Returns false when the program is over. */
static bool drain(void)
{
    if (finished)
        return false;
    JSContext *job_ctx;
    for (;;) {
        int ran = JS_ExecutePendingJob(rt, &job_ctx);
        if (ran < 0)
            JS_FreeValue(ctx, JS_GetException(ctx)); /* a job's own promise carries the error */
        JSPromiseStateEnum state = JS_PromiseState(ctx, main_promise);
        if (state == JS_PROMISE_FULFILLED) {
            finish();
            return false;
        }
        if (state == JS_PROMISE_REJECTED) {
            fail_with(JS_PromiseResult(ctx, main_promise));
            return false;
        }
        if (ran == 0)
            return true;
    }
}

static struct timer *next_timer(void)
{
    struct timer *next = NULL;
    for (uint32_t i = 0; i < timers_len; i++) {
        struct timer *t = &timers[i];
        if (!next || t->due_ms < next->due_ms || (t->due_ms == next->due_ms && t->id < next->id))
            next = t;
    }
    return next;
}

/* Fires what is due, in order, each at its own moment. Returns false when the program is over. */
static bool fire_timers(double now_ms, double elapsed_ms)
{
    double now_before = virtual_now_ms, elapsed_before = virtual_elapsed_ms;
    struct timer *t;
    while ((t = next_timer()) && t->due_ms <= elapsed_ms) {
        double shown = now_before + (t->due_ms - elapsed_before);
        virtual_elapsed_ms = t->due_ms;
        virtual_now_ms = shown < now_ms ? shown : now_ms;
        JSValue callback = js_dup(t->callback);
        if (t->interval_ms > 0)
            t->due_ms += t->interval_ms;
        else
            remove_timer(t->id);
        JSValue returned = JS_Call(ctx, callback, JS_UNDEFINED, 0, NULL);
        JS_FreeValue(ctx, callback);
        if (JS_IsException(returned)) {
            fail_with(JS_GetException(ctx));
            return false;
        }
        JS_FreeValue(ctx, returned);
        if (!drain())
            return false;
    }
    virtual_now_ms = now_ms;
    virtual_elapsed_ms = elapsed_ms;
    return true;
}

static void end_turn(void)
{
    struct timer *next = next_timer();
    if (!calls_len && !next) {
        ended(END_NEVER_SETTLES, "{}", 2);
        return;
    }
    host_end(END_WAITING, calls_len, next ? next->due_ms : -1, "", 0);
}

EXPORT("alloc") char *guest_alloc(uint32_t len)
{
    char *p = malloc((size_t)len + 1);
    if (!p)
        host_limit(LIMIT_MEMORY);
    p[len] = 0;
    return p;
}

/* code: a script whose value is the program as an async function. Both buffers are freed here. */
EXPORT("start") void guest_start(char *code, uint32_t code_len, struct params *given)
{
    params = *given;
    free(given);
    virtual_now_ms = params.now_ms;
    virtual_elapsed_ms = params.elapsed_ms;
    memory_limit = memory_used + params.memory_bytes;
    seed_random(params.seed);
    JS_UpdateStackTop(rt);

    JSValue program = JS_Eval(ctx, code, code_len, PROGRAM_FILE, JS_EVAL_TYPE_GLOBAL);
    free(code);
    if (JS_IsException(program)) {
        fail_with(JS_GetException(ctx));
        return;
    }
    main_promise = JS_Call(ctx, program, JS_UNDEFINED, 0, NULL);
    JS_FreeValue(ctx, program);
    if (JS_IsException(main_promise)) {
        fail_with(JS_GetException(ctx));
        return;
    }
    if (drain())
        end_turn();
}

EXPORT("deliver") void guest_deliver(uint32_t seq, uint32_t ok, char *json, uint32_t len, double now_ms, double elapsed_ms)
{
    JS_UpdateStackTop(rt);
    if (!fire_timers(now_ms, elapsed_ms))
        return;
    struct pending_call call;
    if (!take_call(seq, &call))
        __builtin_trap(); /* the host answered a call that was never made */
    JSValue value = JS_ParseJSON(ctx, json, len, PRELUDE_FILE);
    free(json);
    if (!JS_IsException(value) && !ok)
        value = make_tool_error(value, call.line, call.column);
    if (JS_IsException(value)) {
        value = JS_GetException(ctx);
        ok = 0;
    }
    JS_FreeValue(ctx, JS_Call(ctx, call.settle[ok ? 0 : 1], JS_UNDEFINED, 1, vc(&value)));
    JS_FreeValue(ctx, value);
    JS_FreeValue(ctx, call.settle[0]);
    JS_FreeValue(ctx, call.settle[1]);
    if (drain())
        end_turn();
}

EXPORT("advance") void guest_advance(double now_ms, double elapsed_ms)
{
    JS_UpdateStackTop(rt);
    if (fire_timers(now_ms, elapsed_ms))
        end_turn();
}

/* Of a program restored from a snapshot: tells again what it waits for. */
EXPORT("rest") void guest_rest(void)
{
    end_turn();
}

/* ---- made once, when the image is built ---- */

extern const char prelude_source[];
extern const uint32_t prelude_source_len;

static JSModuleDef *refuse_import(JSContext *c, const char *name, void *opaque)
{
    JS_ThrowTypeError(c, "import is not available in a program: every tool is already a function under tools");
    return NULL;
}

static void expect(bool held)
{
    if (!held)
        __builtin_trap();
}

EXPORT("wizer-initialize") void guest_initialize(void)
{
    rt = JS_NewRuntime2(&engine_memory, NULL);
    expect(rt);
    JS_SetMaxStackSize(rt, SCRIPT_STACK_BYTES);
    JS_SetGCThreshold(rt, GC_AFTER_BYTES);
    JS_SetModuleLoaderFunc(rt, NULL, refuse_import, NULL);
    ctx = JS_NewContextRaw(rt);
    expect(ctx);
    /* No WeakRef or FinalizationRegistry: they would show when garbage is collected. */
    expect(!JS_AddIntrinsicBaseObjects(ctx) && !JS_AddIntrinsicDate(ctx) && !JS_AddIntrinsicEval(ctx)
           && !JS_AddIntrinsicRegExp(ctx) && !JS_AddIntrinsicJSON(ctx) && !JS_AddIntrinsicProxy(ctx)
           && !JS_AddIntrinsicMapSet(ctx) && !JS_AddIntrinsicTypedArrays(ctx) && !JS_AddIntrinsicPromise(ctx)
           && !JS_AddIntrinsicDOMException(ctx) && !JS_AddIntrinsicAToB(ctx));
    program_file = JS_NewAtom(ctx, PROGRAM_FILE);
    hidden_file = JS_NewAtom(ctx, PRELUDE_FILE);
    main_promise = JS_UNDEFINED;

    JSValue prelude = JS_Eval(ctx, prelude_source, prelude_source_len, PRELUDE_FILE, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT);
    expect(!JS_IsException(prelude));
    JSValue natives = make_natives();
    JSValue hooks = JS_Call(ctx, prelude, JS_UNDEFINED, 1, vc(&natives));
    expect(!JS_IsException(hooks));
    hook_tool_error = JS_GetPropertyStr(ctx, hooks, "toolError");
    hook_describe = JS_GetPropertyStr(ctx, hooks, "describe");
    expect(JS_IsFunction(ctx, hook_tool_error) && JS_IsFunction(ctx, hook_describe));
    JS_FreeValue(ctx, hooks);
    JS_FreeValue(ctx, natives);
    JS_FreeValue(ctx, prelude);
    JS_RunGC(rt);
}
