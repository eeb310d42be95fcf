//! What the kernel half counts.

/// Index into the `counters` map.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Listed execs that were held.
    Held = 0,
    /// Held execs that somebody continued before there was a verdict, and that were held again.
    HeldAgain = 1,
    /// Execs refused because the daemon said so.
    RefusedByVerdict = 2,
    /// Execs refused because the ring buffer was full.
    RefusedRingFull = 3,
    /// Execs refused because the `holds` map was full.
    RefusedHoldsFull = 4,
    /// Execs refused because the task could not be stopped.
    RefusedNoSignal = 5,
    /// Execs refused because the file's identity or name could not be read.
    RefusedUnreadable = 6,
    /// Tags of threads that had ended unnoticed, found when their place was used again.
    TagsLeftOver = 7,
    /// Execs refused for another cause, which the hold names.
    RefusedOther = 8,
    /// Forks refused because the child could not be tagged.
    ForkRefused = 9,
    /// Execs that went on under an allowance.
    Allowed = 10,
    /// Processes killed at commit.
    Killed = 11,
    /// Connections of agents to the control socket, refused.
    ControlRefused = 12,
    /// Doorbells dropped because the ring buffer was full. The sweep finds what they were about.
    DoorbellDropped = 13,
    /// Listed execs that were refused at once and filed.
    Filed = 14,
    /// Retries of filed execs, refused because there is no answer yet or another retry is just being let through.
    RefusedPending = 15,
    /// Execs that could not be filed: too many or too long arguments, memory that is not there, or a call of a
    /// kind that is not known. The cure is `wait = "hold"`.
    RefusedArguments = 16,
    /// Processes that became an agent's because their user, unit or executable is declared.
    AgentsDeclared = 17,
    /// Execs refused because the process is declared an agent's and could not be tagged.
    RefusedUntagged = 18,
    /// Cgroups of agents' units that found no room in the map.
    CgroupDropped = 19,
    /// Openings of listed files by agents, other than to execute them, refused.
    ReadRefused = 20,
    /// Links, renames, removals and changes of listed files by agents, refused.
    ChangeRefused = 21,
    /// Attempts of agents to trace, or to read or write the memory of, what is not theirs to trace, refused.
    TraceRefused = 22,
    /// Listed execs refused because an agent traces the process, or the process shares its directories with another.
    RefusedTraced = 23,
    /// Signals of agents to the daemon, refused.
    SignalRefused = 24,
    /// Calls of bpf(2) by agents, refused.
    BpfRefused = 25,
    /// Attempts of agents to change the running kernel, refused: modules, kexec, raw memory, and the like.
    KernelRefused = 26,
    /// Mounts and unmounts of agents about the daemon's directories, refused.
    MountRefused = 27,
    /// Attempts of agents to open or change what lies in the daemon's directories, refused.
    PlaceRefused = 28,
    /// Openings of control files of cgroups for writing by agents with root, refused.
    CgroupRefused = 29,
    /// Held execs refused or killed because user, namespaces, working directory or root were not those with which they were
    /// held.
    RefusedMoved = 30,
    /// Processes killed at commit because their arguments made a listed program of one of many names, or could not be read.
    KilledNamed = 31,
    /// Execs of files on an overlay refused because what they stand on is listed and they are not.
    RefusedBelow = 32,
}

/// How many of the entries of the `counters` map are in use.
pub const COUNTER_COUNT: usize = 33;
/// Entries of the `counters` map: with room, so that a version with more counters can adopt it.
pub const COUNTER_SLOTS: usize = 64;
