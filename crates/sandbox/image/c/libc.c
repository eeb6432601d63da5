/*
 * The operating system as a program sees it: none.
 *
 * wasi-libc would reach for the host's clock, files and environment. Each
 * function here is found before libc.a is searched, so none of those members,
 * and none of their imports, is ever linked. The two clocks read the virtual
 * time that engine.c keeps. Formatting is our own because libc's drags in
 * files, locales and 128-bit floats; QuickJS prints numbers by itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

extern double virtual_now_ms;

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    (void)zone;
    int64_t ms = (int64_t)virtual_now_ms;
    tv->tv_sec = (time_t)(ms / 1000);
    tv->tv_usec = (suseconds_t)((ms % 1000) * 1000);
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    (void)clock;
    int64_t ms = (int64_t)virtual_now_ms;
    ts->tv_sec = (time_t)(ms / 1000);
    ts->tv_nsec = (long)((ms % 1000) * 1000000);
    return 0;
}

/* Every program runs in UTC; QuickJS reads nothing but the offset. */
struct tm *localtime_r(const time_t *restrict t, struct tm *restrict tm)
{
    (void)t;
    memset(tm, 0, sizeof(*tm));
    return tm;
}

#define PAGE_BYTES ((intptr_t)65536)
/* Steps by which memory grows: each is a system call of the worker's. */
#define GROW_PAGES 16

/* Memory for malloc, which asks in whole pages. Fails when the instance may not grow. */
void *sbrk(intptr_t increment)
{
    static intptr_t end;
    intptr_t have = (intptr_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
    if (!end)
        end = have;
    if (increment > have - end) {
        intptr_t need = (increment - (have - end) + PAGE_BYTES - 1) / PAGE_BYTES;
        intptr_t step = need > GROW_PAGES ? need : GROW_PAGES;
        if (__builtin_wasm_memory_grow(0, step) == SIZE_MAX && __builtin_wasm_memory_grow(0, need) == SIZE_MAX)
            return (void *)-1;
    }
    intptr_t start = end;
    end += increment;
    return (void *)start;
}

_Noreturn void abort(void) { __builtin_trap(); }

_Noreturn void __assert_fail(const char *expr, const char *file, int line, const char *func)
{
    (void)expr, (void)file, (void)line, (void)func;
    __builtin_trap();
}

/* Output streams do not exist. */
int fprintf(FILE *restrict f, const char *restrict format, ...) { (void)f, (void)format; return 0; }
int printf(const char *restrict format, ...) { (void)format; return 0; }
int vfprintf(FILE *restrict f, const char *restrict format, va_list args) { (void)f, (void)format, (void)args; return 0; }
int fputc(int c, FILE *f) { (void)f; return c; }
int putc(int c, FILE *f) { (void)f; return c; }
int putchar(int c) { return c; }
int puts(const char *s) { (void)s; return 0; }
int fputs(const char *restrict s, FILE *restrict f) { (void)s, (void)f; return 0; }
size_t fwrite(const void *restrict p, size_t size, size_t count, FILE *restrict f) { (void)p, (void)size, (void)f; return count; }
int fflush(FILE *f) { (void)f; return 0; }

/* What the tables of stdout and stderr name; signatures as in musl. */
size_t __stdio_write(FILE *f, const unsigned char *p, size_t len) { (void)f, (void)p; return len; }
size_t __stdout_write(FILE *f, const unsigned char *p, size_t len) { (void)f, (void)p; return len; }
off_t __stdio_seek(FILE *f, off_t offset, int whence) { (void)f, (void)offset, (void)whence; return -1; }
int __stdio_close(FILE *f) { (void)f; return 0; }

struct sink { char *out; size_t room, length; };

static void put(struct sink *s, char c)
{
    if (s->length + 1 < s->room)
        s->out[s->length] = c;
    s->length++;
}

static void put_padded(struct sink *s, const char *text, int length, int width, int left, char pad)
{
    if (!left)
        for (int i = length; i < width; i++)
            put(s, pad);
    for (int i = 0; i < length; i++)
        put(s, text[i]);
    if (left)
        for (int i = length; i < width; i++)
            put(s, ' ');
}

static void put_number(struct sink *s, uint64_t value, unsigned base, int upper, const char *sign, int width, int left, int zero)
{
    char digits[24];
    int at = sizeof(digits);
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
        digits[--at] = alphabet[value % base];
        value /= base;
    } while (value);
    int length = (int)sizeof(digits) - at;
    int sign_length = (int)strlen(sign);
    if (zero && !left) {
        put_padded(s, sign, sign_length, 0, 0, ' ');
        put_padded(s, digits + at, length, width - sign_length, 0, '0');
        return;
    }
    if (!left)
        put_padded(s, "", 0, width - length - sign_length, 0, ' ');
    put_padded(s, sign, sign_length, 0, 0, ' ');
    put_padded(s, digits + at, length, 0, 0, ' ');
    if (left)
        put_padded(s, "", 0, width - length - sign_length, 0, ' ');
}

/* The conversions QuickJS uses: d i u x X c s p %, with flags, width, precision, l ll z. */
int vsnprintf(char *restrict out, size_t room, const char *restrict format, va_list args)
{
    struct sink s = { out, room, 0 };
    for (const char *f = format; *f; f++) {
        if (*f != '%') {
            put(&s, *f);
            continue;
        }
        int left = 0, zero = 0, plus = 0, width = 0, precision = -1, longs = 0;
        for (f++; *f == '-' || *f == '0' || *f == '+' || *f == ' ' || *f == '#'; f++) {
            left |= *f == '-';
            zero |= *f == '0';
            plus |= *f == '+';
        }
        if (*f == '*') {
            width = va_arg(args, int);
            f++;
        } else {
            while (*f >= '0' && *f <= '9')
                width = width * 10 + (*f++ - '0');
        }
        if (*f == '.') {
            f++;
            precision = 0;
            if (*f == '*') {
                precision = va_arg(args, int);
                f++;
            } else {
                while (*f >= '0' && *f <= '9')
                    precision = precision * 10 + (*f++ - '0');
            }
        }
        for (; *f == 'l' || *f == 'z' || *f == 'h' || *f == 'j' || *f == 't'; f++)
            longs += *f == 'l' ? 1 : *f == 'j' ? 2 : 0;
        switch (*f) {
        case 'd':
        case 'i': {
            int64_t v = longs > 1 ? va_arg(args, long long) : va_arg(args, int);
            put_number(&s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, 0, v < 0 ? "-" : plus ? "+" : "", width, left, zero);
            break;
        }
        case 'u':
        case 'x':
        case 'X': {
            uint64_t v = longs > 1 ? va_arg(args, unsigned long long) : va_arg(args, unsigned);
            put_number(&s, v, *f == 'u' ? 10 : 16, *f == 'X', "", width, left, zero);
            break;
        }
        case 'p':
            put_number(&s, (uintptr_t)va_arg(args, void *), 16, 0, "0x", width, left, 0);
            break;
        case 'c': {
            char c = (char)va_arg(args, int);
            put_padded(&s, &c, 1, width, left, ' ');
            break;
        }
        case 's': {
            const char *text = va_arg(args, const char *);
            if (!text)
                text = "(null)";
            int length = 0;
            while ((precision < 0 || length < precision) && text[length])
                length++;
            put_padded(&s, text, length, width, left, ' ');
            break;
        }
        case '%':
            put(&s, '%');
            break;
        default:
            /* A conversion nobody taught us would print lies. */
            abort();
        }
    }
    if (room)
        out[s.length < room ? s.length : room - 1] = 0;
    return (int)s.length;
}

int snprintf(char *restrict out, size_t room, const char *restrict format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, room, format, args);
    va_end(args);
    return n;
}
