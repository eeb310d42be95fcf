//! Hours of the day and days of the year, in a time zone.

use std::fmt;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};

use crate::time::WallTime;

/// Minutes of a day.
pub(super) const DAY: u16 = 24 * 60;

/// The days of the week as rules have them.
pub(super) const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Some hours of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hours {
    /// Which days, Monday first. Hours that pass midnight belong to the day on which they begin.
    pub days: [bool; 7],
    /// The first minute of the day.
    pub from: u16,
    /// The first minute that is none of them any more; [`DAY`] at most. Before `from` where they pass midnight.
    pub to: u16,
    /// Where.
    pub zone: Zone,
    /// All other times are meant.
    pub outside: bool,
}

/// Days from one date to another, both included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dates {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// Where.
    pub zone: Zone,
}

/// A time zone of IANA's database, a copy of which is compiled in: the host's may be missing, and is no part of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// None where there is no such zone.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        static BUNDLED: std::sync::LazyLock<jiff::tz::TimeZoneDatabase> =
            std::sync::LazyLock::new(jiff::tz::TimeZoneDatabase::bundled);
        // "Etc/Unknown" is the name of none.
        BUNDLED.get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The time that clocks show there. None beyond the year 9999.
    pub(super) fn local(&self, at: WallTime) -> Option<DateTime> {
        let at = Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()?;
        Some(self.0.to_datetime(at))
    }
}

/// By name: what is equal has the same.
impl std::hash::Hash for Zone {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.iana_name().hash(state);
    }
}

impl Hours {
    /// Whether a point in time is one of them. None where the calendar has none such.
    #[must_use]
    pub fn contain(&self, at: WallTime) -> Option<bool> {
        let local = self.zone.local(at)?;
        let minute = u16::try_from(local.hour()).ok()? * 60 + u16::try_from(local.minute()).ok()?;
        let today = local.weekday();
        let on = |day: Weekday| {
            let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
            self.days.get(index).copied().unwrap_or_default()
        };
        let inside = if self.from < self.to {
            on(today) && (self.from..self.to).contains(&minute)
        } else {
            (on(today) && minute >= self.from) || (on(today.previous()) && minute < self.to)
        };
        Some(inside != self.outside)
    }

    /// What the clock shows, for an explanation.
    pub(super) fn shown(&self, at: WallTime) -> String {
        match self.zone.local(at) {
            Some(local) => format!("{} {}", local.strftime("%a %Y-%m-%d %H:%M"), self.zone),
            None => "no time of the calendar's".to_owned(),
        }
    }
}

impl Dates {
    /// Whether a point in time is on one of the days. None where the calendar has none such.
    #[must_use]
    pub fn contain(&self, at: WallTime) -> Option<bool> {
        let date = self.zone.local(at)?.date();
        Some((self.from..=self.to).contains(&date))
    }

    /// What the calendar shows, for an explanation.
    pub(super) fn shown(&self, at: WallTime) -> String {
        match self.zone.local(at) {
            Some(local) => format!("{} {}", local.date(), self.zone),
            None => "no date of the calendar's".to_owned(),
        }
    }
}

/// A minute of the day as rules have it: `09:30`.
pub(super) fn time_of_day(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = DAY_NAMES.iter().zip(self.days).filter(|(_, on)| *on).map(|(name, _)| *name);
        let days = days.collect::<Vec<_>>().join(", ");
        let outside = if self.outside { "outside of " } else { "" };
        write!(f, "{outside}{days} {} to {} {}", time_of_day(self.from), time_of_day(self.to), self.zone)
    }
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} {}", self.from, self.to, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        WallTime(text.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap())
    }

    fn hours(days: [u8; 7], from: u16, to: u16) -> Hours {
        let zone = Zone::named("Europe/Berlin").unwrap();
        Hours { days: days.map(|day| day == 1), from: from * 60, to: to * 60, zone, outside: false }
    }

    #[test]
    fn hours_are_those_of_the_zone_in_summer_and_in_winter() {
        let work = hours([1, 1, 1, 1, 1, 0, 0], 9, 17);
        for (time, inside) in [
            ("2026-07-01T06:59:59Z", false),
            ("2026-07-01T07:00:00Z", true),
            ("2026-07-01T14:59:59Z", true),
            ("2026-07-01T15:00:00Z", false),
            ("2026-12-01T07:00:00Z", false),
            ("2026-12-01T08:00:00Z", true),
            ("2026-07-04T10:00:00Z", false),
        ] {
            assert_eq!(work.contain(at(time)), Some(inside), "{time}");
            assert_eq!(Hours { outside: true, ..work.clone() }.contain(at(time)), Some(!inside), "{time}");
        }
    }

    #[test]
    fn hours_that_pass_midnight_belong_to_the_day_on_which_they_begin() {
        let night = hours([0, 0, 0, 0, 1, 0, 0], 22, 6);
        for (time, inside) in [
            ("2026-12-04T20:59:00Z", false),
            ("2026-12-04T21:00:00Z", true),
            ("2026-12-05T04:59:00Z", true),
            ("2026-12-05T05:00:00Z", false),
            ("2026-12-05T21:00:00Z", false),
        ] {
            assert_eq!(night.contain(at(time)), Some(inside), "{time}");
        }
    }

    #[test]
    fn dates_include_the_last_day_to_its_end_where_it_ends() {
        let date = |text: &str| text.parse().unwrap();
        let zone = Zone::named("America/New_York").unwrap();
        let freeze = Dates { from: date("2026-12-20"), to: date("2027-01-02"), zone };
        for (time, inside) in [
            ("2026-12-20T04:59:59Z", false),
            ("2026-12-20T05:00:00Z", true),
            ("2027-01-03T04:59:59Z", true),
            ("2027-01-03T05:00:00Z", false),
        ] {
            assert_eq!(freeze.contain(at(time)), Some(inside), "{time}");
        }
        assert_eq!(freeze.contain(WallTime(u64::MAX)), None);
        assert!(Zone::named("Europe/Atlantis").is_none());
    }
}
