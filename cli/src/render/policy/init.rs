//! The packs that there are, and what came of installing some.

use holdpoint_core::escape;

use super::{
    super::{Style, sheet::Sheet, text::plain},
    bounded, count,
};
use crate::commands::policy::{Installed, Pack};

/// Each pack with what it is about, and how to go on.
pub(crate) fn packs(packs: &[Pack], style: Style) -> String {
    let mut sheet = Sheet::new(style, false);
    for pack in packs {
        sheet.heading(&format!("{}, {}", bounded(&pack.name), count(pack.rules, "rule")));
        if let Some(about) = &pack.about {
            sheet.words("about", &bounded(about));
        }
        sheet.words("programs", &plain(&pack.exec.join(", ")));
    }
    sheet.finish()
        + "nothing was installed: name the packs that you want, as in 'holdpoint policy init PACK'\n"
}

/// What was done, file by file, and what to do next.
pub(crate) fn installed(done: &Installed, style: Style) -> String {
    let how = if done.observe { "observed" } else { "enforced" };
    let mut text = String::new();
    for path in &done.installed {
        text.push_str(&format!("{} {}, {how}\n", style.good("installed"), plain(path)));
    }
    for path in &done.unchanged {
        text.push_str(&format!("unchanged {}, {how}: it is there already\n", plain(path)));
    }
    let argument = |directory: &String| format!(" {}", escape::argument(directory.as_bytes()));
    let check = done.elsewhere.as_ref().map(argument).unwrap_or_default();
    text + &format!(
        "next, see what is odd on this host, and have the daemon read them:\n  holdpoint policy check{check}\n  holdpoint reload\n"
    )
}
