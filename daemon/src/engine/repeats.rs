//! What a process does again at once after it was refused.
//!
//! dash, and every `execvp` that goes on after EPERM, tries the same file under the next directory of `PATH`:
//! `/usr/bin/id`, then `/bin/id`. That is one command of one person's wish, so it has one request and one answer.

use std::{collections::VecDeque, time::Duration};

use holdpoint_abi::{FileKey, Hold};
use holdpoint_core::{alleged::Alleged, time::BootTime};

/// The last refusals, the oldest first.
#[derive(Default)]
pub(super) struct Repeats(VecDeque<Refused>);

struct Refused {
    process: (u32, u64),
    file: FileKey,
    argv: Vec<Alleged>,
    until: BootTime,
}

/// How long a repetition of a refused exec by the same process is refused without asking. A loop over `PATH`
/// takes milliseconds; a person who asks again types longer.
const SPAN: Duration = Duration::from_secs(2);
/// Refusals that are remembered. When there are more, the oldest is asked about again, which does no harm.
const REMEMBERED: usize = 256;
/// Arguments that are remembered, in bytes; a longer command is asked about again.
const MAX_ARGUMENTS: usize = 16 * 1024;

impl Repeats {
    /// Remembers that this was refused.
    pub(super) fn refused(&mut self, hold: &Hold, argv: &[Alleged], now: BootTime) {
        if argv.iter().map(|argument| argument.0.len()).sum::<usize>() > MAX_ARGUMENTS {
            return;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        let process = (hold.tgid, hold.started_at);
        self.0.push_back(Refused { process, file: hold.file, argv: argv.to_vec(), until: now.after(SPAN) });
    }

    /// Whether the same process was refused the same exec just now.
    pub(super) fn repeats(&mut self, hold: &Hold, argv: &[Alleged], now: BootTime) -> bool {
        self.0.retain(|refused| refused.until > now);
        self.0.iter().any(|refused| {
            refused.process == (hold.tgid, hold.started_at)
                && refused.file == hold.file
                && refused.argv == argv
        })
    }
}
