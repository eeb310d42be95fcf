//! The daemon itself: how long it takes until it enforces, and how much memory it has.

use crate::{
    crew::{Scheduling, Worker},
    daemon::{self, Daemon, LISTED},
    http::Client,
    process,
    report::Line,
    spinner::Spinner,
};

/// Starts the daemon so many times with nothing pinned, and each time once more upon what is pinned then. Leaves
/// nothing of holdpoint in the kernel.
pub(crate) fn starts(count: u32) -> anyhow::Result<()> {
    daemon::install()?;
    let spinner = Spinner::start()?;
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..count {
        for values in [&mut first, &mut again] {
            let (daemon, instructions) = Daemon::start_measured(&spinner)?;
            values.push(instructions);
            daemon.stop()?;
        }
        daemon::take_down()?;
    }
    Line::Samples { name: "start/first", values: &first }.print()?;
    Line::Samples { name: "start/again", values: &again }.print()
}

/// The memory of a daemon that has nothing to do, and of one with so many pending requests. Leaves them pending: the
/// machine ends after this.
pub(crate) fn memory(crowd: u32) -> anyhow::Result<()> {
    daemon::install()?;
    // Without it, virtual time would run away whenever the daemon waits for the disk.
    let _spinner = Spinner::start()?;
    let daemon = Daemon::start()?;
    let mut client = Client::connect()?;
    daemon.wait_for_pending(&mut client, 0)?;
    let idle = process::memory(daemon.pid())?;
    Line::Memory { name: "idle", resident: idle.resident, peak: idle.peak }.print()?;
    let mut agent = Worker::agent(Scheduling::Ordinary)?;
    for number in 0..crowd {
        // The identical action would wait with the first one's request.
        agent.start(&format!("{LISTED} {number}"))?;
    }
    daemon.wait_for_pending(&mut client, u64::from(crowd))?;
    let busy = process::memory(daemon.pid())?;
    Line::Memory { name: &format!("pending {crowd}"), resident: busy.resident, peak: busy.peak }.print()
}
