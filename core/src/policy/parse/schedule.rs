//! `hours` and `dates`.

use jiff::civil::Date;

use super::super::schedule::{DAY, DAY_NAMES, Dates, Hours, Zone};
use crate::{
    diagnostic::quoted,
    document::{Problems, Table, Text},
};

pub(in crate::policy) const HOURS_KEYS: &[&str] = &["days", "from", "to", "zone", "outside"];
pub(in crate::policy) const DATES_KEYS: &[&str] = &["from", "to", "zone"];

pub(super) fn hours(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Hours> {
    let days = match table.one_or_more("days", problems) {
        Some(texts) if texts.is_empty() => {
            problems.error(table.key_span("days"), "'days' is empty: no time is meant");
            return None;
        }
        Some(texts) => days(&texts, problems)?,
        None if table.has("days") => return None,
        None => [true; 7],
    };
    let from = if table.has("from") { minute(table, "from", problems)? } else { 0 };
    let to = if table.has("to") { minute(table, "to", problems)? } else { DAY };
    if from == to {
        problems.error(table.key_span("to"), "'from' and 'to' are the same: no time is meant, or any");
        return None;
    }
    let outside = table.boolean("outside", problems).unwrap_or_default();
    Some(Hours { days, from, to, zone: zone(table, problems)?, outside })
}

pub(super) fn dates(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Dates> {
    for key in ["from", "to"].into_iter().filter(|key| !table.has(key)) {
        problems
            .error(table.span(), format!("'dates' has no '{key}': write for example {key} = \"2026-12-24\""));
    }
    let (from, to) = (date(table, "from", problems), date(table, "to", problems));
    let zone = zone(table, problems);
    let (from, to, zone) = (from?, to?, zone?);
    if from > to {
        problems.error(table.key_span("to"), format!("'dates' ends on {to}, before it begins on {from}"));
        return None;
    }
    Some(Dates { from, to, zone })
}

fn zone(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Zone> {
    if !table.has("zone") {
        return Some(Zone::utc());
    }
    let Text { value, span } = table.string("zone", problems)?;
    let zone = Zone::named(value);
    if zone.is_none() {
        let hint = "write a name of IANA's database, such as \"Europe/Berlin\" or \"UTC\"";
        problems.error_with_hint(span, format!("there is no time zone {}", quoted(value)), hint);
    }
    zone
}

fn date(table: &Table<'_, '_>, key: &str, problems: &mut Problems<'_>) -> Option<Date> {
    let Text { value, span } = table.string(key, problems)?;
    let date = value.parse::<Date>().ok().filter(|_| value.len() == 10);
    if date.is_none() {
        let message = format!("{} is no date", quoted(value));
        problems.error_with_hint(span, message, "write the year, month and day, such as \"2026-12-24\"");
    }
    date
}

/// `09:00`, up to `24:00`.
fn minute(table: &Table<'_, '_>, key: &str, problems: &mut Problems<'_>) -> Option<u16> {
    let Text { value, span } = table.string(key, problems)?;
    let read = || {
        let (hour, minute) = value.split_once(':')?;
        let two = |digits: &str| {
            (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| digits.parse::<u16>().ok())?
        };
        let (hour, minute) = (two(hour)?, two(minute)?);
        let total = hour * 60 + minute;
        (minute < 60 && total <= DAY).then_some(total)
    };
    let found = read();
    if found.is_none() {
        let message = format!("{} is no time of day", quoted(value));
        problems.error_with_hint(
            span,
            message,
            "write hours and minutes from \"00:00\" to \"24:00\", such as \"09:30\"",
        );
    }
    found
}

/// Names of days, and ranges of them such as `mon-fri`, also over the end of the week.
fn days(texts: &[Text<'_>], problems: &mut Problems<'_>) -> Option<[bool; 7]> {
    let mut on = [false; 7];
    for Text { value, span } in texts {
        let (first, last) = value.split_once('-').unwrap_or((value, value));
        let index = |name: &str| DAY_NAMES.iter().position(|day| *day == name);
        let (Some(first), Some(last)) = (index(first), index(last)) else {
            let message = format!("{} is no day of the week", quoted(value));
            problems.error_with_hint(
                span.clone(),
                message,
                "write mon, tue, wed, thu, fri, sat, sun, or a range such as \"mon-fri\"",
            );
            return None;
        };
        let mut day = first;
        loop {
            if let Some(on) = on.get_mut(day) {
                *on = true;
            }
            if day == last {
                break;
            }
            day = (day + 1) % DAY_NAMES.len();
        }
    }
    Some(on)
}
