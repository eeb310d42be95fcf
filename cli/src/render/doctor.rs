//! The list of checks.

use crate::commands::doctor::Check;

use super::{
    Style,
    sheet::{Sheet, Tone},
    text::plain,
};

/// Each check, with the cure below each that failed.
pub(crate) fn page(checks: &[Check], style: Style) -> String {
    let mut sheet = Sheet::new(style, false);
    for check in checks {
        let mark = if check.ok { style.good("ok  ") } else { style.alarm("fail") };
        sheet.line(&format!("{mark}  {}", style.bold(check.name)));
        sheet.sentence("", &plain(&check.found), Tone::Plain);
        if let Some(cure) = &check.cure {
            sheet.sentence("cure", &plain(cure), Tone::Plain);
        }
    }
    let failed = checks.iter().filter(|check| !check.ok).count();
    let result = match failed {
        0 => "all is well here".to_owned(),
        1 => "1 check failed".to_owned(),
        more => format!("{more} checks failed"),
    };
    sheet.line(&result);
    sheet.line("as root, 'holdpointd --check' checks the kernel half and the rules, too");
    sheet.finish()
}
