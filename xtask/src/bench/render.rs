//! The tables of the document.

use anyhow::Context as _;
use serde_json::Value;

use super::figures::{Figures, text};
use super::statistics::Summary;

/// A row of a table of costs: the series, what stands in the way, and the most that it shall add.
type Row = (&'static str, &'static str, Option<u32>);

/// Goals of the project, in instructions.
const SPAWN: &[Row] = &[
    ("spawn/untagged", "the gate, untagged process", Some(2_000)),
    ("spawn/tagged", "the gate, tagged process, unlisted program", Some(5_000)),
    ("spawn/fanotify", "fanotify floor", None),
    ("spawn/seccomp", "seccomp floor", None),
    ("spawn/same", "nothing: another process, same state", None),
];
const OPEN: &[Row] = &[
    ("open/untagged", "the gate, untagged process", Some(250)),
    ("open/tagged", "the gate, tagged process", Some(500)),
    ("open-executable/tagged", "the gate, tagged process, an executable file", None),
    ("open/same", "nothing: another process, same state", None),
];
const TIMES: &[(&str, &str)] = &[
    ("vote", "vote written to the socket, until the approved program has ended"),
    ("continuation", "SIGCONT to a stopped process, until the same program has ended"),
    ("start/first", "start of `holdpointd`, until it enforces: programs are loaded"),
    ("start/again", "the same, with the programs pinned"),
];

/// All tables of one kernel.
pub(super) fn tables(figures: &Figures) -> anyhow::Result<String> {
    let kernel = figures.text("machine", "kernel")?;
    let mut page = format!("### {kernel}\n\n");
    costs(&mut page, figures, "spawn", SPAWN)?;
    costs(&mut page, figures, "open + close", OPEN)?;
    times(&mut page, figures)?;
    programs(&mut page, figures)?;
    memory(&mut page, figures)?;
    Ok(page)
}

fn costs(page: &mut String, figures: &Figures, what: &str, rows: &[Row]) -> anyhow::Result<()> {
    page.push_str(&format!(
        "| {what}: what stands in the way | without | added | quartiles | rounds | goal | |\n\
         |---|---:|---:|---:|---:|---:|---|\n"
    ));
    for (name, title, goal) in rows {
        let (without, added) = (figures.without(name)?, figures.added(name)?);
        let (goal, verdict) = match goal {
            Some(goal) if added.median <= f64::from(*goal) => (number(f64::from(*goal)), "met"),
            Some(goal) => (number(f64::from(*goal)), "**missed**"),
            None => (String::new(), ""),
        };
        page.push_str(&format!(
            "| {title} | {} | **{}** | {} | {} | {goal} | {verdict} |\n",
            number(without.median),
            number(added.median),
            quartiles(&added),
            added.count,
        ));
    }
    page.push('\n');
    Ok(())
}

fn times(page: &mut String, figures: &Figures) -> anyhow::Result<()> {
    page.push_str("| from, until | instructions | quartiles | samples |\n|---|---:|---:|---:|\n");
    for (name, title) in TIMES {
        let samples = figures.samples(name)?;
        let (median, quartiles) = (number(samples.median), quartiles(&samples));
        page.push_str(&format!("| {title} | **{median}** | {quartiles} | {} |\n", samples.count));
    }
    page.push('\n');
    Ok(())
}

/// Where the cost of a spawn lies.
fn programs(page: &mut String, figures: &Figures) -> anyhow::Result<()> {
    page.push_str(
        "| program of the kernel half | process | runs a spawn | instructions a run |\n|---|---|---:|---:|\n",
    );
    for line in figures.all("program") {
        let of =
            |field: &str| line.get(field).and_then(Value::as_f64).with_context(|| format!("find {field}"));
        let (runs, instructions) = (of("runs")?, of("instructions")?);
        if runs == 0.0 {
            // On a hook that a spawn does not pass.
            continue;
        }
        let each = number(instructions / runs);
        page.push_str(&format!(
            "| `{}` | {} | {:.1} | {each} |\n",
            text(line, "name"),
            text(line, "process"),
            runs / of("spawns")?,
        ));
    }
    page.push('\n');
    Ok(())
}

fn memory(page: &mut String, figures: &Figures) -> anyhow::Result<()> {
    page.push_str("| memory of `holdpointd` | VmRSS, KiB | VmHWM, KiB |\n|---|---:|---:|\n");
    for line in figures.all("memory") {
        let name = text(line, "name");
        let of = |field| figures.number("memory", name, field);
        page.push_str(&format!("| {name} | {} | {} |\n", number(of("resident")?), number(of("peak")?)));
    }
    Ok(())
}

fn quartiles(summary: &Summary) -> String {
    format!("{} to {}", number(summary.lower), number(summary.upper))
}

/// A whole number with commas.
fn number(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{grouped}") } else { grouped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_their_sign() {
        let shown = [0.4, -0.4, 7.0, 999.6, -1_234.0, 1_084_300.2].map(number);
        assert_eq!(shown, ["0", "0", "7", "1,000", "-1,234", "1,084,300"]);
    }
}
