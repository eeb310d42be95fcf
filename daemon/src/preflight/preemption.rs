//! The preemption model. Before Linux 6.2 a BPF LSM program is skipped when it is entered while it runs already
//! on the same CPU, and under full preemption that happens: listed execs ran (docs/decisions/0003).

use std::fs;

use super::{Check, kernel_version};

/// From this version on, BPF LSM programs may be entered again.
const SAFE: (u32, u32) = (6, 2);
const NAME: &str = "preemption model";
const CURE: &str = "boot with 'preempt=voluntary' on the kernel's command line, or use Linux 6.2 or later";

pub(super) fn model() -> Check {
    if kernel_version().is_some_and(|version| version >= SAFE) {
        return Check::pass(NAME, "any will do from Linux 6.2 on");
    }
    let read = |path: &str| fs::read_to_string(path).ok();
    judge(
        read("/sys/kernel/debug/sched/preempt").as_deref(),
        read("/proc/version").as_deref(),
        read("/proc/cmdline").as_deref(),
    )
}

/// Judges by the scheduler's own word, where debugfs is mounted; else by how the kernel was built and booted.
fn judge(scheduler: Option<&str>, version: Option<&str>, command_line: Option<&str>) -> Check {
    if let Some(model) =
        scheduler.and_then(|text| text.split_once('(')?.1.split_once(')')).map(|(model, _)| model)
    {
        return verdict(model);
    }
    let version = version.unwrap_or_default();
    let booted = command_line
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("preempt="))
        .next_back();
    match booted {
        Some(model) if version.contains("PREEMPT_DYNAMIC") => verdict(model),
        _ if version.contains("PREEMPT_RT") || version.contains("PREEMPT ") => verdict("full"),
        _ if !version.is_empty() && !version.contains("PREEMPT") => verdict("voluntary or none, as built"),
        _ => Check::fail(
            NAME,
            "cannot be found out",
            "mount -t debugfs debugfs /sys/kernel/debug, or boot with 'preempt=voluntary'",
        ),
    }
}

fn verdict(model: &str) -> Check {
    if model == "full" { Check::fail(NAME, "full", CURE) } else { Check::pass(NAME, model) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_preemption_is_seen_in_each_of_the_places_that_tell_it() {
        let dynamic = Some("Linux version 6.1.0-1-amd64 #1 SMP PREEMPT_DYNAMIC Debian");
        assert!(judge(Some("none voluntary (full)"), dynamic, None).cure.is_some());
        assert!(judge(Some("none (voluntary) full"), dynamic, Some("preempt=full")).passed());
        assert!(judge(None, dynamic, Some("quiet preempt=full")).cure.is_some());
        assert!(judge(None, dynamic, Some("preempt=full preempt=voluntary")).passed());
        assert!(judge(None, Some("Linux #1 SMP PREEMPT_RT Debian"), None).cure.is_some());
        assert!(judge(None, Some("Linux #1 SMP Debian"), None).passed());
        assert!(judge(None, dynamic, Some("quiet")).cure.is_some(), "in doubt, no");
    }
}
