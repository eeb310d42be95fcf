//! The counters of the kernel half, by name, and what each means to a reader.

use holdpoint_abi::Counter as C;
use holdpoint_core::wire::Counter;

use super::{load::KernelError, maps::Gate};

/// The name and the meaning of a counter.
pub(crate) fn describe(counter: C) -> (&'static str, &'static str) {
    match counter {
        C::Held => ("held", "listed execs of agents that were held"),
        C::HeldAgain => ("held_again", "held execs that somebody continued too early; they were held again"),
        C::RefusedByVerdict => {
            ("refused_by_verdict", "execs refused because of a denial, an expiry or a rule")
        }
        C::RefusedRingFull => {
            ("refused_ring_full", "execs refused because the daemon did not keep up with events")
        }
        C::RefusedHoldsFull => {
            ("refused_holds_full", "execs refused because too many actions are held or running")
        }
        C::RefusedNoSignal => ("refused_no_signal", "execs refused because the task could not be stopped"),
        C::RefusedUnreadable => {
            ("refused_unreadable", "execs refused because file or name could not be read")
        }
        C::TagsLeftOver => ("tags_left_over", "tags of threads that had ended unnoticed, removed"),
        C::RefusedOther => {
            ("refused_other", "execs refused because the allowance did not fit or had expired")
        }
        C::ForkRefused => ("fork_refused", "forks of agents refused because the child could not be tagged"),
        C::Allowed => ("allowed", "execs that went on under an allowance"),
        C::Killed => ("killed", "processes killed at commit, before the first instruction"),
        C::ControlRefused => ("control_refused", "attempts of agents to reach the control socket"),
        C::DoorbellDropped => {
            ("doorbell_dropped", "events dropped while the buffer was full; found by the sweep")
        }
        C::Filed => ("filed", "listed execs that were refused at once and filed for a decision"),
        C::RefusedPending => {
            ("refused_pending", "retries of filed execs, refused because they are not decided yet")
        }
        C::RefusedArguments => (
            "refused_arguments",
            "execs with arguments too long or not readable at once; use 'wait = \"hold\"' for such a program",
        ),
        C::AgentsDeclared => {
            ("agents_declared", "processes that became agents by their user, unit or executable")
        }
        C::RefusedUntagged => {
            ("refused_untagged", "execs refused because a declared agent's process could not be tagged")
        }
        C::CgroupDropped => {
            ("cgroup_dropped", "units of agents that found no room, and whose processes are no agents'")
        }
        C::ReadRefused => ("read_refused", "openings of listed files by agents, other than to execute them"),
        C::ChangeRefused => {
            ("change_refused", "links, renames, removals and changes of listed files by agents")
        }
        C::TraceRefused => {
            ("trace_refused", "attempts of agents to trace what is not theirs, is held, or was approved")
        }
        C::RefusedTraced => (
            "refused_traced",
            "execs refused because an agent traces the process, or another process shares its directories",
        ),
        C::SignalRefused => ("signal_refused", "signals of agents to the daemon"),
        C::BpfRefused => ("bpf_refused", "calls of bpf(2) by agents"),
        C::KernelRefused => {
            ("kernel_refused", "attempts of agents to change the running kernel: modules, kexec, raw memory")
        }
        C::MountRefused => ("mount_refused", "mounts and unmounts of agents about the daemon's directories"),
        C::PlaceRefused => {
            ("place_refused", "attempts of agents to open or change what lies in the daemon's directories")
        }
        C::CgroupRefused => ("cgroup_refused", "writing to control files of cgroups by agents with root"),
        C::RefusedMoved => (
            "refused_moved",
            "execs refused or killed because user, namespaces, directory or root changed while they were held",
        ),
        C::KilledNamed => (
            "killed_named",
            "processes killed at commit, whose arguments made a listed program of one of many names",
        ),
        C::RefusedBelow => (
            "refused_below",
            "execs of agents of files on an overlay that are not listed, and stand on one that is",
        ),
    }
}

/// The bit of each counter's protection, and its name.
#[cfg(feature = "failpoints")]
pub(crate) fn names() -> impl Iterator<Item = (u64, &'static str)> {
    ALL.iter().map(|counter| (holdpoint_abi::without(*counter), describe(*counter).0))
}

/// All counters.
///
/// # Errors
/// When the map cannot be read.
pub(crate) fn read_all(gate: &Gate) -> Result<Vec<Counter>, KernelError> {
    let counts = gate.counts()?;
    Ok(ALL
        .iter()
        .zip(counts)
        .map(|(counter, count)| {
            let (name, meaning) = describe(*counter);
            Counter { name: name.to_owned(), count, meaning: meaning.to_owned() }
        })
        .collect())
}

/// All of them, by index.
pub(super) const ALL: [C; holdpoint_abi::COUNTER_COUNT] = [
    C::Held,
    C::HeldAgain,
    C::RefusedByVerdict,
    C::RefusedRingFull,
    C::RefusedHoldsFull,
    C::RefusedNoSignal,
    C::RefusedUnreadable,
    C::TagsLeftOver,
    C::RefusedOther,
    C::ForkRefused,
    C::Allowed,
    C::Killed,
    C::ControlRefused,
    C::DoorbellDropped,
    C::Filed,
    C::RefusedPending,
    C::RefusedArguments,
    C::AgentsDeclared,
    C::RefusedUntagged,
    C::CgroupDropped,
    C::ReadRefused,
    C::ChangeRefused,
    C::TraceRefused,
    C::RefusedTraced,
    C::SignalRefused,
    C::BpfRefused,
    C::KernelRefused,
    C::MountRefused,
    C::PlaceRefused,
    C::CgroupRefused,
    C::RefusedMoved,
    C::KilledNamed,
    C::RefusedBelow,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_stands_at_its_own_index() {
        for (index, counter) in ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index, "{counter:?}");
        }
    }
}
