/*
 * Numbers in JSON without a general conversion.
 *
 * Included by quickjs.c in the place of its call of strtod. A whole number
 * that fits becomes an integer value. A decimal of at most 15 digits over a
 * power of ten up to 10^22 is one exact division (Clinger, "How to read
 * floating point numbers accurately", 1990); all else goes to strtod.
 */
static JSValue json_number(const uint8_t *start, const uint8_t *end)
{
    static const double powers_of_ten[] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };
    const uint8_t *p = start;
    bool negative = *p == '-';
    if (negative || *p == '+')
        p++;
    uint64_t digits = 0;
    int count = 0, scale = 0;
    for (; p < end && is_digit(*p) && count <= 15; p++) {
        digits = digits * 10 + (*p - '0');
        count += digits != 0;
    }
    if (p == end && count <= 9 && (digits || !negative))
        return js_int32(negative ? -(int32_t)digits : (int32_t)digits);
    if (p < end && *p == '.') {
        for (p++; p < end && is_digit(*p) && count <= 15; p++) {
            digits = digits * 10 + (*p - '0');
            count += digits != 0;
            scale++;
        }
    }
    if (p != end || count > 15 || scale > 22)
        return js_float64(strtod((const char *)start, NULL));
    double value = (double)digits / powers_of_ten[scale];
    return js_float64(negative ? -value : value);
}
