//! Lengths of time as people write them: `500ms`, `30s`, `5m`, `2h`, `7d`; a bare number is seconds.

use domain::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads a length of time in milliseconds.
pub(crate) fn parse_ms(text: &str) -> Result<u64, String> {
    let refuse = || format!("'{text}' is no length of time such as 500ms, 30s, 5m, 2h or 7d");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(refuse()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(refuse)
}

/// Reads an instant: RFC 3339 as it stands, or a length of time from now.
pub(crate) fn parse_until(text: &str) -> Result<String, String> {
    if text.contains('T') && text.contains(':') {
        return Ok(text.to_owned());
    }
    let ms = parse_ms(text)?;
    Ok(Timestamp(now_ms())
        .plus_ms(i64::try_from(ms).unwrap_or(i64::MAX))
        .to_rfc3339())
}

/// Reads an instant in the past: RFC 3339 as it stands, or a length of time before now.
pub(crate) fn parse_since(text: &str) -> Result<String, String> {
    if text.contains('T') && text.contains(':') {
        return Ok(text.to_owned());
    }
    let ms = i64::try_from(parse_ms(text)?).unwrap_or(i64::MAX);
    Ok(Timestamp(now_ms().saturating_sub(ms).max(0)).to_rfc3339())
}

/// The system's clock.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{parse_ms, parse_since, parse_until};

    #[test]
    fn lengths() {
        for (text, ms) in [
            ("500ms", 500),
            ("30", 30_000),
            ("30s", 30_000),
            ("5m", 300_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        for bad in ["", "s", "5x", "-1", "1.5s", "99999999999999999999d"] {
            assert!(parse_ms(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse_until("2026-01-01T00:00:00Z").unwrap(),
            "2026-01-01T00:00:00Z"
        );
        assert!(parse_until("2h").unwrap().ends_with('Z'));
        assert!(parse_since("2h").unwrap() < parse_until("0s").unwrap());
        assert!(parse_since("soon").is_err());
    }
}
