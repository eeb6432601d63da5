//! Webhooks that people read: what they are told comes as messages, not more than a few a minute, and
//! not in hours in which nobody wants to be told. Programs are told everything at once instead.

use crate::Timestamp;

/// Messages that people are sent within a minute; what is more comes together, as one.
pub const MESSAGES_PER_MINUTE: usize = 5;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// The farthest that a clock on earth is from that of Greenwich.
const OFFSET_MIN_MAX: i64 = 14 * 60;

/// Who reads what a webhook is sent, and how it is written for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFormat {
    /// A program: every event by itself, as Standard Webhooks say.
    Standard,
    /// People in a channel of Slack, or of what takes its messages; they may have quiet hours.
    Slack(Option<QuietHours>),
}

impl WebhookFormat {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Slack(_) => "slack",
        }
    }

    /// Reads the stable name; hours are for people alone, and none is what a program has.
    #[must_use]
    pub fn parse(name: &str, quiet: Option<QuietHours>) -> Option<Self> {
        match (name, quiet) {
            ("standard", None) => Some(Self::Standard),
            ("slack", quiet) => Some(Self::Slack(quiet)),
            (_, _) => None,
        }
    }

    /// In which hours nobody is told anything.
    #[must_use]
    pub fn quiet(self) -> Option<QuietHours> {
        match self {
            Self::Standard => None,
            Self::Slack(quiet) => quiet,
        }
    }
}

/// Hours of each day in which nobody wants to be told anything, by a clock that is fixed to that of
/// Greenwich: it does not know of summer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Minutes of the day at which they begin and end; they may go over midnight.
    from: i64,
    to: i64,
    /// Minutes by which the clock is ahead of Greenwich.
    offset: i64,
}

impl QuietHours {
    /// Reads hours such as `22:00-07:00+02:00`; a clock of Greenwich is `+00:00` or `Z`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, rest) = text.split_at_checked(5)?;
        let (to, offset) = rest.strip_prefix('-')?.split_at_checked(5)?;
        let (from, to) = (time(from)?, time(to)?);
        let offset = match offset {
            "Z" => 0,
            _ => match offset.split_at_checked(1)? {
                ("+", ahead) => time(ahead)?,
                ("-", behind) => -time(behind)?,
                (_, _) => return None,
            },
        };
        let fits = from != to && offset.abs() <= OFFSET_MIN_MAX;
        fits.then_some(Self { from, to, offset })
    }

    /// When they end, if they hold at an instant; the minute in which they end is not among them.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        let at = now.0.saturating_add(self.offset * MINUTE_MS);
        let at = at.rem_euclid(DAY_MS);
        let (from, to) = (self.from * MINUTE_MS, self.to * MINUTE_MS);
        let holds = if from < to {
            (from..to).contains(&at)
        } else {
            at >= from || at < to
        };
        holds.then(|| now.plus_ms((to - at).rem_euclid(DAY_MS)))
    }
}

impl std::fmt::Display for QuietHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let sign = if self.offset < 0 { '-' } else { '+' };
        write!(
            f,
            "{}-{}{sign}{}",
            clock(self.from),
            clock(self.to),
            clock(self.offset.abs())
        )
    }
}

/// Minutes of the day of a time such as `07:30`.
fn time(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str, below: i64| {
        let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse::<i64>().ok().filter(|_| two)?;
        (number < below).then_some(number)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

/// When people were sent their last messages, the oldest first: no more than may come within a minute.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pace(Vec<Timestamp>);

impl Pace {
    /// How many messages may follow within the minute.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> usize {
        let lately = self.0.iter().filter(|at| at.plus_ms(MINUTE_MS) > now);
        MESSAGES_PER_MINUTE.saturating_sub(lately.count())
    }

    /// With one more message.
    #[must_use]
    pub fn with(&self, sent: Timestamp) -> Self {
        let mut told: Vec<Timestamp> = self.0.clone();
        told.push(sent);
        let begin = told.len().saturating_sub(MESSAGES_PER_MINUTE);
        Self(told.split_off(begin))
    }

    /// Until when nothing more is sent; the past where something may be.
    #[must_use]
    pub fn holds_until(&self) -> Timestamp {
        match self.0.as_slice() {
            all @ [first, ..] if all.len() >= MESSAGES_PER_MINUTE => first.plus_ms(MINUTE_MS),
            _ => Timestamp::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instant of a day in 2026, by the clock of Greenwich.
    fn at(hours: i64, minutes: i64) -> Timestamp {
        Timestamp(20_600 * DAY_MS + (hours * 60 + minutes) * MINUTE_MS)
    }

    #[test]
    fn hours_hold_over_midnight_and_by_their_own_clock() {
        for (hours, now, end) in [
            ("22:00-07:00Z", at(21, 59), None),
            ("22:00-07:00Z", at(22, 0), Some(at(31, 0))),
            ("22:00-07:00+00:00", at(6, 59), Some(at(7, 0))),
            ("22:00-07:00Z", at(7, 0), None),
            ("12:00-13:30Z", at(12, 30), Some(at(13, 30))),
            ("12:00-13:30Z", at(11, 59), None),
            ("12:00-13:30Z", at(13, 30), None),
            ("22:00-07:00+02:00", at(20, 0), Some(at(29, 0))),
            ("22:00-07:00+02:00", at(19, 59), None),
            ("22:00-07:00-08:00", at(6, 0), Some(at(15, 0))),
            ("22:00-07:00-08:00", at(15, 0), None),
            ("00:00-23:59+05:30", at(18, 29), None),
            ("00:00-23:59+05:30", at(18, 30), Some(at(42, 29))),
        ] {
            let read = QuietHours::parse(hours).expect(hours);
            assert_eq!(read.end(now), end, "{hours} at {now:?}");
        }
    }

    #[test]
    fn what_are_no_hours_is_refused_and_others_read_back() {
        for hours in [
            "22:00-07:00+02:00",
            "00:00-23:59-03:30",
            "09:05-09:06+00:00",
        ] {
            let read = QuietHours::parse(hours).expect(hours);
            assert_eq!(read.to_string(), hours);
        }
        for wrong in [
            "",
            "22:00",
            "22:00-07:00",
            "22:00-22:00Z",
            "24:00-07:00Z",
            "22:60-07:00Z",
            "22-07Z",
            "22:00-07:00+15:00",
            "22:00-07:00 +02:00",
            "22:00-07:00+2",
            "2é:00-07:00Z",
            "+1:00-07:00Z",
            "22:00-07:00Zx",
            "22:00-07:00Europe/Berlin",
        ] {
            assert_eq!(QuietHours::parse(wrong), None, "{wrong}");
        }
        let quiet = QuietHours::parse("22:00-07:00Z");
        assert_eq!(WebhookFormat::parse("standard", quiet), None);
        assert_eq!(
            WebhookFormat::parse("slack", quiet),
            Some(WebhookFormat::Slack(quiet))
        );
        assert_eq!(WebhookFormat::parse("teams", None), None);
    }

    #[test]
    fn five_messages_a_minute_then_none_until_it_is_over() {
        let mut pace = Pace::default();
        for n in 0..5 {
            assert_eq!(pace.holds_until(), Timestamp(0));
            assert_eq!(pace.left(Timestamp(n)), 5 - usize::try_from(n).unwrap());
            pace = pace.with(Timestamp(n));
        }
        assert_eq!(pace.holds_until(), Timestamp(60_000));
        assert_eq!(pace.left(Timestamp(59_999)), 0);
        assert_eq!(pace.left(Timestamp(60_000)), 1);
        pace = pace.with(Timestamp(60_000));
        assert_eq!(pace.holds_until(), Timestamp(60_001));
        assert_eq!(pace.left(Timestamp(200_000)), 5);
    }
}
