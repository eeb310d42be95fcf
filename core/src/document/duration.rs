//! Spans of time as people write them.

use std::time::Duration;

use thiserror::Error;

/// What a span may be, both ends included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DurationLimits {
    /// The shortest.
    pub(crate) least: Duration,
    /// The longest.
    pub(crate) most: Duration,
}

/// Why a text is no span of time.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum DurationError {
    #[error("a duration needs a number and a unit")]
    Empty,
    #[error("the number {0} has no unit")]
    NoUnit(String),
    #[error("unit {0} is none of h, m, s, ms")]
    Unit(String),
    #[error("a unit stands without a number before it")]
    NoNumber,
    #[error("the units have to go from the largest to the smallest, each once")]
    Order,
    #[error("the number is too large")]
    Overflow,
    #[error("it is shorter than {0}")]
    Short(String),
    #[error("it is longer than {0}")]
    Long(String),
}

/// Largest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `90s`, `5m`, `1h30m` or `500ms`.
pub(crate) fn parse(text: &str, limits: DurationLimits) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| !c.is_ascii_digit());
        let quoted = crate::diagnostic::quoted;
        match (number, unit) {
            ("", _) => return Err(DurationError::NoNumber),
            (_, "") => return Err(DurationError::NoUnit(quoted(number))),
            _ => {}
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, worth) = known.ok_or_else(|| DurationError::Unit(quoted(unit)))?;
        if *worth >= smallest {
            return Err(DurationError::Order);
        }
        smallest = *worth;
        let part = number.parse::<u64>().ok().and_then(|count| count.checked_mul(*worth));
        total = part.and_then(|part| total.checked_add(part)).ok_or(DurationError::Overflow)?;
        rest = after;
    }
    let span = Duration::from_millis(total);
    match span {
        _ if span < limits.least => Err(DurationError::Short(shown(limits.least))),
        _ if span > limits.most => Err(DurationError::Long(shown(limits.most))),
        _ => Ok(span),
    }
}

/// Writes a span as [`parse`] reads it; parts of a millisecond are left out.
pub(crate) fn shown(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, worth) in UNITS {
        if rest >= worth {
            text.push_str(&format!("{}{name}", rest / worth));
            rest %= worth;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DurationLimits =
        DurationLimits { least: Duration::from_millis(100), most: Duration::from_secs(86_400) };

    #[test]
    fn spans_are_read_and_written_the_same_way() {
        for (text, milliseconds) in
            [("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("1h1m1s1ms", 3_661_001)]
        {
            let span = Duration::from_millis(milliseconds);
            assert_eq!(parse(text, LIMITS), Ok(span));
            assert_eq!(parse(&shown(span), LIMITS), Ok(span));
        }
        assert_eq!(shown(Duration::ZERO), "0s");
    }

    #[test]
    fn what_is_no_span_says_why() {
        for (text, why) in [
            ("", "a duration needs a number and a unit"),
            ("90", "the number '90' has no unit"),
            ("5 m", "unit ' m' is none of h, m, s, ms"),
            ("5min", "unit 'min' is none of h, m, s, ms"),
            ("1d", "unit 'd' is none of h, m, s, ms"),
            ("m", "a unit stands without a number before it"),
            ("-5m", "a unit stands without a number before it"),
            ("1.5h", "unit '.' is none of h, m, s, ms"),
            ("30m1h", "the units have to go from the largest to the smallest, each once"),
            ("1m1m", "the units have to go from the largest to the smallest, each once"),
            ("99999999999999999999s", "the number is too large"),
            ("99999999999999999h", "the number is too large"),
            ("99ms", "it is shorter than 100ms"),
            ("0s", "it is shorter than 100ms"),
            ("24h1ms", "it is longer than 24h"),
            ("٥m", "a unit stands without a number before it"),
        ] {
            assert_eq!(parse(text, LIMITS).map_err(|error| error.to_string()), Err(why.to_owned()), "{text}");
        }
    }
}
