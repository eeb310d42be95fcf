//! Times and spans as people read them.

use holdpoint_core::time::WallTime;

/// The span in at most five columns: `42s`, `4m10s`, `2h05m`, `12d`.
pub(crate) fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        600..3600 => format!("{}m", seconds / 60),
        3600..36000 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        36000..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", (seconds / 86400).min(9999)),
    }
}

/// How long ago that was; zero where it is to come.
pub(crate) fn age(then: WallTime, now: WallTime) -> String {
    span(now.0.saturating_sub(then.0))
}

/// How long it is until then; zero where it has passed.
pub(crate) fn left(then: WallTime, now: WallTime) -> String {
    span(then.0.saturating_sub(now.0))
}

/// The time in UTC: `2026-11-22 22:52:52Z`.
pub(crate) fn utc(time: WallTime) -> String {
    let seconds = time.0 / 1000;
    let (year, month, day) = civil(seconds / 86400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The date that lies so many days after 1970-01-01, by Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>): years are counted from the first of March,
/// so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_709_251_199, "2024-02-29 23:59:59Z"),
            (1_795_388_372, "2026-11-22 22:59:32Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(utc(WallTime(seconds * 1000)), text);
        }
        assert_eq!(utc(WallTime(u64::MAX)).len(), "584556019-04-03 14:25:51Z".len());
    }

    #[test]
    fn spans_fit_five_columns() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (250, "4m10s"),
            (600, "10m"),
            (3600, "1h00m"),
            (7500, "2h05m"),
            (36000, "10h"),
        ] {
            assert_eq!(span(seconds * 1000), text);
        }
        assert!(span(u64::MAX).len() <= 5);
        assert_eq!(age(WallTime(9), WallTime(1)), "0s");
    }
}
