//! What is wrong with the rules.

use holdpoint_core::diagnostic::{Diagnostic, Severity};

use super::{
    super::{Style, text::plain},
    count,
};
use crate::commands::policy::Findings;

/// Each finding, and how many there are. Lines are as long as they are: the caret stands where it belongs.
pub(crate) fn page(findings: &Findings, style: Style) -> String {
    let mut text = String::new();
    for diagnostic in &findings.diagnostics {
        let told = diagnostic.to_string();
        let message = told.strip_prefix(&format!("{}: ", diagnostic.severity)).unwrap_or(&told);
        text.push_str(&severity(diagnostic, style));
        text.extend(message.lines().map(|line| plain(line) + "\n"));
        text.push('\n');
    }
    for diagnostic in &findings.missing {
        let Diagnostic { file, line, column, message, .. } = diagnostic;
        let place = format!("{}:{line}:{column}", plain(file));
        text.push_str(&format!("{}{place}: {}\n", severity(diagnostic, style), plain(message)));
    }
    let rules = findings.rules.map(|rules| count(rules, "rule"));
    let parts = [
        Some(count(findings.files, "file")),
        rules,
        Some(count(findings.errors, "error")),
        // With errors nobody has looked for warnings.
        findings.rules.map(|_| count(findings.warnings, "warning")),
    ];
    text + &parts.into_iter().flatten().collect::<Vec<_>>().join(", ") + "\n"
}

fn severity(diagnostic: &Diagnostic, style: Style) -> String {
    let word = format!("{}: ", diagnostic.severity);
    match diagnostic.severity {
        Severity::Error => style.alarm(&word),
        Severity::Warning => style.waiting(&word),
    }
}
