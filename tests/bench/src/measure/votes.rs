//! From the vote to the exec that goes on, beside a bare stop and continuation.
//!
//! It begins before the bytes of the vote are written to the control socket, and ends when the parent has seen the
//! program's exit: the program does nothing, and its end is something that both cases have in common and that needs
//! nobody to look. A request is made and its reading done before, so the daemon is asleep when the vote comes.

use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    crew::{End, Scheduling, Worker},
    daemon::{self, Daemon, LISTED},
    http::Client,
    process,
    report::Line,
    spinner::Spinner,
};

/// Not measured: the first ones fill caches.
const WARM_UP: usize = 3;

/// Measures so many votes and so many bare continuations in turn, and leaves nothing of holdpoint in the kernel.
pub(crate) fn run(count: u32) -> anyhow::Result<()> {
    daemon::install()?;
    let spinner = Spinner::start()?;
    let daemon = Daemon::start()?;
    let mut client = Client::connect()?;
    let mut agent = Worker::agent(Scheduling::Ordinary)?;
    let mut plain = Worker::plain(Scheduling::Ordinary)?;
    let (mut votes, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..count as usize + WARM_UP {
        votes.push(vote(&spinner, &daemon, &mut client, &mut agent)?);
        bare.push(continuation(&spinner, &daemon, &mut plain)?);
    }
    let measured = |all: &[u64]| all.get(WARM_UP..).unwrap_or_default().to_vec();
    Line::Samples { name: "vote", values: &measured(&votes) }.print()?;
    Line::Samples { name: "continuation", values: &measured(&bare) }.print()?;
    drop((agent, plain));
    daemon.stop()?;
    daemon::take_down()
}

fn vote(spinner: &Spinner, daemon: &Daemon, client: &mut Client, agent: &mut Worker) -> anyhow::Result<u64> {
    let pid = agent.start(LISTED)?;
    process::wait_until_stopped(pid)?;
    daemon.wait_for_pending(client, 1)?;
    let pending = client.get("/v1/requests?state=pending")?;
    let id = pending.pointer("/requests/0/id").and_then(serde_json::Value::as_str);
    let approval = Client::approval(id.context("find the id of the pending request")?);
    agent.begin_wait(pid)?;
    process::wait_until_asleep(agent.pid())?;
    process::wait_until_asleep(daemon.pid())?;
    let begun = spinner.begin()?;
    client.send(&approval)?;
    let end = agent.end_of_wait()?;
    let instructions = spinner.since(begun, end.at)?;
    client.receive().context("vote")?;
    good(&end)?;
    Ok(instructions)
}

fn continuation(spinner: &Spinner, daemon: &Daemon, plain: &mut Worker) -> anyhow::Result<u64> {
    let pid = plain.start_stopped(LISTED)?;
    process::wait_until_stopped(pid)?;
    plain.begin_wait(pid)?;
    process::wait_until_asleep(plain.pid())?;
    process::wait_until_asleep(daemon.pid())?;
    let stopped = Pid::from_raw(i32::try_from(pid)?);
    let begun = spinner.begin()?;
    kill(stopped, Signal::SIGCONT).context("continue a process")?;
    let end = plain.end_of_wait()?;
    let instructions = spinner.since(begun, end.at)?;
    good(&end)?;
    Ok(instructions)
}

fn good(end: &End) -> anyhow::Result<()> {
    ensure!(end.how == "exited 0", "let a program go on: it {}", end.how);
    Ok(())
}
