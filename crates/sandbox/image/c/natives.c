/*
 * What the prelude may ask of the engine: calls, logs, timers, randomness, text.
 *
 * Included by engine.c. The object made by make_natives is handed to the
 * prelude's closure and dropped; a program never sees it.
 */

/* ---- errors ---- */

/* TypeError("<what>: <message of error>"); takes ownership of error. */
static JSValue prefixed_error(const char *what, JSValue error)
{
    JSValue message = JS_GetPropertyStr(ctx, error, "message");
    const char *text = JS_IsException(message) ? NULL : JS_ToCString(ctx, message);
    if (!text)
        JS_FreeValue(ctx, JS_GetException(ctx));
    JSValue made = JS_NewTypeError(ctx, "%s: %s", what, text ? text : "it threw while being read");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, message);
    JS_FreeValue(ctx, error);
    return made;
}

static JSValue rejected(JSValue reason)
{
    JSValue promise = JS_NewSettledPromise(ctx, true, reason);
    JS_FreeValue(ctx, reason);
    return promise;
}

static JSValue make_tool_error(JSValue fields, uint32_t line, uint32_t column)
{
    JSValue argv[3] = { fields, js_uint32(line), js_uint32(column) };
    JSValue error = JS_Call(ctx, hook_tool_error, JS_UNDEFINED, 3, vc(argv));
    JS_FreeValue(ctx, fields);
    return error;
}

/* Where in the program the innermost running line of it stands; zero when no line of it runs. */
static void program_position(uint32_t *line, uint32_t *column)
{
    *line = *column = 0;
    for (JSStackFrame *sf = rt->current_stack_frame; sf; sf = sf->prev_frame) {
        JSObject *p = JS_VALUE_GET_OBJ(sf->cur_func);
        if (!js_class_has_bytecode(p->class_id))
            continue;
        JSFunctionBytecode *b = p->u.func.function_bytecode;
        if (b->filename != program_file || !sf->cur_pc)
            continue;
        int col;
        *line = find_line_num(ctx, b, sf->cur_pc - b->byte_code_buf - 1, &col);
        *column = col;
        return;
    }
}

/* A promise rejected with a ToolError made here; the host never hears of the call. */
static JSValue rejected_tool_error(const char *code, JSValueConst path, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    JSValue fields = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, fields, "code", JS_NewString(ctx, code));
    JS_SetPropertyStr(ctx, fields, "message", JS_NewString(ctx, message));
    JS_SetPropertyStr(ctx, fields, "tool", js_dup(path));
    JS_SetPropertyStr(ctx, fields, "retryable", JS_FALSE);
    uint32_t line, column;
    program_position(&line, &column);
    return rejected(make_tool_error(fields, line, column));
}

/* ---- calls ---- */

static bool take_call(uint32_t seq, struct pending_call *out)
{
    for (uint32_t i = 0; i < calls_len; i++) {
        if (calls[i].seq == seq) {
            *out = calls[i];
            calls[i] = calls[--calls_len];
            bytes_in_flight -= out->bytes;
            return true;
        }
    }
    return false;
}

/* Writes a value as JSON text of an object, mended and measured. Returns NULL with *problem set. */
static const char *json_object(JSValueConst value, const char *what, size_t *len, JSValue *held, JSValue *problem)
{
    char message[128];
    *held = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(*held)) {
        snprintf(message, sizeof(message), "the %s cannot be written as JSON", what);
        *problem = prefixed_error(message, JS_GetException(ctx));
        return NULL;
    }
    const char *json = JS_IsString(*held) ? JS_ToCStringLen(ctx, len, *held) : NULL;
    if (json && json[0] == '{') {
        if (mend_json((char *)json, *len) <= JSON_DEPTH_MAX)
            return json;
        *problem = JS_NewTypeError(ctx, "the %s are nested more than %d levels deep", what, JSON_DEPTH_MAX);
    } else {
        *problem = JS_NewTypeError(ctx, "the %s must be one plain object", what);
    }
    JS_FreeCString(ctx, json);
    JS_FreeValue(ctx, *held);
    return NULL;
}

static JSValue issue(JSValueConst path, bool lookup, const char *arguments, size_t arguments_len, const char *options, size_t options_len)
{
    if (lookup && lookups >= LOOKUPS_MAX)
        return rejected_tool_error("call_limit_exceeded", path,
            "this program has looked into the catalog and its handles %u times, a fixed limit per task", LOOKUPS_MAX);
    if (!lookup && last_seq - lookups >= params.calls_max)
        return rejected_tool_error("call_limit_exceeded", path,
            "this program has made %u tool calls, the limit per task (calls); an administrator may raise it", params.calls_max);
    if (calls_len >= params.calls_in_flight_max)
        return rejected_tool_error("call_limit_exceeded", path,
            "%u tool calls are already in flight, the limit (callsInFlight); await some of them first, or have an administrator raise it", params.calls_in_flight_max);
    if (arguments_len + options_len > params.message_bytes_max)
        return rejected_tool_error("invalid_arguments", path,
            "the arguments are %u bytes, over the limit of %u bytes (toolResultBytes); pass less, or have an administrator raise it", (unsigned)(arguments_len + options_len), params.message_bytes_max);
    if (bytes_in_flight + arguments_len + options_len > params.message_bytes_max)
        return rejected_tool_error("call_limit_exceeded", path,
            "the arguments of the calls in flight are over %u bytes together, the limit (toolResultBytes); await some of the calls first, or have an administrator raise it", params.message_bytes_max);
    size_t path_len;
    const char *path_text = text_of(path, &path_len);
    if (!path_text)
        return JS_EXCEPTION;
    if (path_len > PATH_BYTES_MAX)
        return rejected_tool_error("tool_not_found", JS_UNDEFINED, "no tool has a path of %u bytes", (unsigned)path_len);
    struct pending_call call = { .seq = last_seq + 1, .bytes = arguments_len + options_len };
    JSValue promise = JS_NewPromiseCapability(ctx, call.settle);
    if (JS_IsException(promise))
        return promise;
    program_position(&call.line, &call.column);
    calls = grown(calls, calls_len, &calls_room, sizeof(*calls));
    calls[calls_len++] = call;
    last_seq = call.seq;
    lookups += lookup;
    bytes_in_flight += call.bytes;
    host_call(call.seq, call.line, call.column, path_text, path_len, arguments, arguments_len, options, options_len);
    JS_FreeCString(ctx, path_text);
    return promise;
}

/* call(path, arguments, options, lookup): always a promise, never an exception. */
static JSValue native_call(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue held_arguments, held_options, problem;
    size_t arguments_len, options_len;
    const char *arguments = json_object(argv[1], "arguments", &arguments_len, &held_arguments, &problem);
    if (!arguments)
        return rejected(problem);
    JSValue promise;
    const char *options;
    if (JS_IsUndefined(argv[2])) {
        promise = issue(argv[0], JS_ToBool(ctx, argv[3]), arguments, arguments_len, "{}", 2);
    } else if ((options = json_object(argv[2], "options", &options_len, &held_options, &problem))) {
        promise = issue(argv[0], JS_ToBool(ctx, argv[3]), arguments, arguments_len, options, options_len);
        JS_FreeCString(ctx, options);
        JS_FreeValue(ctx, held_options);
    } else {
        promise = rejected(problem);
    }
    JS_FreeCString(ctx, arguments);
    JS_FreeValue(ctx, held_arguments);
    return promise;
}

/* reject(path, message): a call refused before it is made. */
static JSValue native_reject(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const char *message = JS_ToCString(ctx, argv[1]);
    if (!message)
        return JS_EXCEPTION;
    JSValue promise = rejected_tool_error("invalid_arguments", argv[0], "%s", message);
    JS_FreeCString(ctx, message);
    return promise;
}

/* log(level, text) */
static JSValue native_log(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    size_t len;
    const char *text = text_of(argv[1], &len);
    if (!text)
        return JS_EXCEPTION;
    /* One more per line, so that empty lines are not free. */
    if (len >= params.log_bytes_max || log_bytes + len + 1 > params.log_bytes_max)
        host_limit(LIMIT_LOG);
    log_bytes += len + 1;
    host_log(JS_VALUE_GET_INT(argv[0]), text, len);
    JS_FreeCString(ctx, text);
    return JS_UNDEFINED;
}

/* ---- time ---- */

static void remove_timer(uint32_t id)
{
    for (uint32_t i = 0; i < timers_len; i++) {
        if (timers[i].id == id) {
            JSValue callback = timers[i].callback;
            timers[i] = timers[--timers_len];
            JS_FreeValue(ctx, callback);
            return;
        }
    }
}

/* timer(callback, delay, repeat) -> id */
static JSValue native_timer(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    if (timers_len >= TIMERS_MAX)
        return JS_ThrowRangeError(ctx, "a program may have %d timers at once", TIMERS_MAX);
    double delay;
    if (JS_ToFloat64(ctx, &delay, argv[1]) < 0)
        return JS_EXCEPTION;
    /* At least 1 ms, as in Node: a zero-delay loop would never let time pass. */
    delay = delay >= 1 ? trunc(delay) : 1;
    if (delay > 2147483647)
        delay = 1;
    timers = grown(timers, timers_len, &timers_room, sizeof(*timers));
    timers[timers_len++] = (struct timer){
        .id = ++last_timer_id,
        .due_ms = virtual_elapsed_ms + delay,
        .interval_ms = JS_ToBool(ctx, argv[2]) ? delay : 0,
        .callback = js_dup(argv[0]),
    };
    return js_uint32(last_timer_id);
}

static JSValue native_clear(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint32_t id;
    if (JS_ToUint32(ctx, &id, argv[0]) < 0)
        return JS_EXCEPTION;
    remove_timer(id);
    return JS_UNDEFINED;
}

static JSValue native_elapsed(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_float64(virtual_elapsed_ms);
}

static JSValue native_now(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_float64(virtual_now_ms);
}

/* ---- randomness: ChaCha20 (RFC 8439) keyed by the task's seed ---- */

static uint32_t random_state[16];
static uint8_t random_block[64];
static uint32_t random_at;

static void seed_random(const uint8_t *seed)
{
    static const uint32_t constants[4] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    memset(random_state, 0, sizeof(random_state));
    memcpy(random_state, constants, sizeof(constants));
    memcpy(random_state + 4, seed, 32);
    random_at = sizeof(random_block);
}

#define ROTATE(v, n) (((v) << (n)) | ((v) >> (32 - (n))))
#define QUARTER(a, b, c, d) \
    (a += b, d = ROTATE(d ^ a, 16), c += d, b = ROTATE(b ^ c, 12), a += b, d = ROTATE(d ^ a, 8), c += d, b = ROTATE(b ^ c, 7))

static void refill_random(void)
{
    uint32_t x[16];
    memcpy(x, random_state, sizeof(x));
    for (int round = 0; round < 10; round++) {
        QUARTER(x[0], x[4], x[8], x[12]);
        QUARTER(x[1], x[5], x[9], x[13]);
        QUARTER(x[2], x[6], x[10], x[14]);
        QUARTER(x[3], x[7], x[11], x[15]);
        QUARTER(x[0], x[5], x[10], x[15]);
        QUARTER(x[1], x[6], x[11], x[12]);
        QUARTER(x[2], x[7], x[8], x[13]);
        QUARTER(x[3], x[4], x[9], x[14]);
    }
    for (int i = 0; i < 16; i++)
        x[i] += random_state[i];
    memcpy(random_block, x, sizeof(x));
    random_state[12]++;
    if (!random_state[12])
        random_state[13]++;
    random_at = 0;
}

static void fill_random(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (random_at == sizeof(random_block))
            refill_random();
        out[i] = random_block[random_at++];
    }
}

static JSValue native_random(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint64_t bits;
    fill_random((uint8_t *)&bits, sizeof(bits));
    return js_float64((double)(bits >> 11) * 0x1p-53);
}

/* fill(typedArray): the prelude has checked its kind and size. */
static JSValue native_fill(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    size_t offset, len, unit, buffer_len;
    JSValue buffer = JS_GetTypedArrayBuffer(ctx, argv[0], &offset, &len, &unit);
    if (JS_IsException(buffer))
        return buffer;
    uint8_t *bytes = JS_GetArrayBuffer(ctx, &buffer_len, buffer);
    if (bytes && offset + len <= buffer_len)
        fill_random(bytes + offset, len);
    JS_FreeValue(ctx, buffer);
    return bytes || !len ? js_dup(argv[0]) : JS_EXCEPTION;
}

/* ---- text ---- */

static JSValue native_encode(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    size_t len;
    const char *text = text_of(argv[0], &len);
    if (!text)
        return JS_EXCEPTION;
    JSValue bytes = JS_NewUint8ArrayCopy(ctx, (const uint8_t *)text, len);
    JS_FreeCString(ctx, text);
    return bytes;
}

/* Length of the valid sequence at p, or minus the length of the maximal invalid part (Encoding Standard). */
static int utf8_step(const uint8_t *p, size_t left)
{
    uint8_t a = p[0];
    if (a < 0x80)
        return 1;
    int need = a >= 0xC2 && a <= 0xDF ? 1 : (a & 0xF0) == 0xE0 ? 2 : a >= 0xF0 && a <= 0xF4 ? 3 : 0;
    if (!need)
        return -1;
    uint8_t low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    uint8_t high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    for (int i = 1; i <= need; i++) {
        if ((size_t)i >= left || p[i] < low || p[i] > high)
            return -i;
        low = 0x80, high = 0xBF;
    }
    return need + 1;
}

/* decode(bytes: Uint8Array, fatal): string, or undefined when fatal and not UTF-8 */
static JSValue native_decode(JSContext *c, JSValueConst this_val, int argc, JSValueConst *argv)
{
    size_t len;
    uint8_t *bytes = JS_GetUint8Array(ctx, &len, argv[0]);
    if (!bytes)
        return len ? JS_EXCEPTION : JS_NewString(ctx, "");
    bool fatal = JS_ToBool(ctx, argv[1]);
    DynBuf out;
    js_dbuf_init(ctx, &out);
    for (size_t i = 0; i < len;) {
        int step = utf8_step(bytes + i, len - i);
        if (step > 0) {
            dbuf_put(&out, bytes + i, step);
            i += step;
        } else if (fatal) {
            dbuf_free(&out);
            return JS_UNDEFINED;
        } else {
            dbuf_put(&out, (const uint8_t *)"\xEF\xBF\xBD", 3);
            i -= step;
        }
    }
    JSValue text = JS_NewStringLen(ctx, (const char *)out.buf, out.size);
    dbuf_free(&out);
    return text;
}

static JSValue make_natives(void)
{
    static const struct { const char *name; JSCFunction *function; int length; } list[] = {
        { "call", native_call, 4 }, { "reject", native_reject, 2 }, { "log", native_log, 2 },
        { "timer", native_timer, 3 }, { "clear", native_clear, 1 },
        { "elapsed", native_elapsed, 0 }, { "now", native_now, 0 },
        { "random", native_random, 0 }, { "fill", native_fill, 1 },
        { "encode", native_encode, 1 }, { "decode", native_decode, 2 },
    };
    JSValue natives = JS_NewObject(ctx);
    for (size_t i = 0; i < countof(list); i++)
        JS_SetPropertyStr(ctx, natives, list[i].name, JS_NewCFunction(ctx, list[i].function, list[i].name, list[i].length));
    return natives;
}
