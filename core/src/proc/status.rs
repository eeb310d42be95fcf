//! `status` of a process or thread.

/// Fields of `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The real user id.
    pub uid: u32,
    /// How many threads the process has.
    pub threads: u32,
    /// Signals that are pending and neither blocked, ignored nor handled: the default action awaits.
    pub due: u64,
    /// Signals that are pending and not blocked, and for which the process has a handler.
    pub handled: u64,
}

impl Status {
    /// Reads the file. None where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let set = |name: &str| field(name).and_then(|value| u64::from_str_radix(value.trim(), 16).ok());
        let mut uids = field("Uid")?.split_ascii_whitespace();
        let pending = set("SigPnd")? | set("ShdPnd")?;
        Some(Self {
            uid: uids.next()?.parse().ok()?,
            threads: field("Threads")?.trim().parse().ok()?,
            due: pending & !(set("SigBlk")? | set("SigIgn")? | set("SigCgt")?),
            handled: pending & set("SigCgt")? & !set("SigBlk")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signals_with_their_default_action_ahead_are_due() {
        let text = "Uid:\t1\t2\t3\t4\nThreads:\t1\nSigPnd:\t0000000000000004\nShdPnd:\t0000000000004003\n\
                    SigBlk:\t0000000000000001\nSigIgn:\t0000000000000002\nSigCgt:\t0000000000000004\n";
        let status = Status::parse(text).unwrap();
        assert_eq!((status.due, status.handled), (1 << 14, 1 << 2));
    }
}
