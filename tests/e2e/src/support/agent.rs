//! Agents: commands started by `holdpoint run`, and the same commands unguarded.

use std::{
    fs,
    io::{BufRead as _, BufReader, PipeReader, Write as _, pipe},
    os::unix::process::ExitStatusExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{
    cli::{Said, User, run},
    programs,
    wait::{PATIENCE, Shared},
};

/// A tree of processes under `holdpoint run`. It is killed when this goes.
pub(crate) struct Agent {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    seen: Shared<Seen>,
}

/// What an agent has said, and how it ended. Both outputs go into one pipe, as in a terminal.
#[derive(Default)]
struct Seen {
    output: String,
    output_ended: bool,
    code: Option<i32>,
}

static NEXT: AtomicU32 = AtomicU32::new(1);

impl Agent {
    /// Starts the command as an agent that runs as the agents' user.
    pub(crate) fn start(command: &[&str]) -> Self {
        Self::start_as(User::Agent, command)
    }

    pub(crate) fn start_as(user: User, command: &[&str]) -> Self {
        Self::start_with(user, &[], command)
    }

    /// The same in a scope of systemd's.
    pub(crate) fn start_in_scope(user: User, command: &[&str]) -> Self {
        Self::start_with(user, &["--scope"], command)
    }

    fn start_with(user: User, options: &[&str], command: &[&str]) -> Self {
        let name = format!("agent-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut run = user.command("holdpoint", None);
        run.args(["run", "--agent", &name, "--reason", "to be tested"]);
        run.args(options).arg("--").args(command);
        Self::spawn(name, run)
    }

    /// Starts the command as it is. What makes it an agent of this name, if anything, is something else.
    pub(crate) fn start_plain(user: User, name: &str, command: &[&str]) -> Self {
        let mut run = user.command(command[0], None);
        run.args(&command[1..]);
        Self::spawn(name.to_owned(), run)
    }

    fn spawn(name: String, mut run: Command) -> Self {
        let (reader, writer) = pipe().unwrap();
        run.stdin(Stdio::piped()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = run.spawn().expect("start an agent");
        // The writing ends in here would keep the pipe open.
        drop(run);
        let seen = Shared::new(Seen::default());
        let (to, input) = (seen.clone(), child.stdin.take());
        thread::spawn(move || collect(reader, &to));
        Self { name, child, input, seen }
    }

    /// Runs the same command by the same user without `holdpoint run`: what is guarded must work unguarded.
    pub(crate) fn unguarded(user: User, command: &[&str]) -> Said {
        programs::install();
        let said = run(user.command(command[0], None).args(&command[1..]));
        Said { output: said.output + &said.errors, ..said }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The process that was `holdpoint run`.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// A child of its first process that is stopped, as one that is held is.
    pub(crate) fn stopped_child(&self) -> Option<u32> {
        let parent = self.pid();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        let stopped = |pid: &&str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
        };
        children.split_whitespace().find(stopped)?.parse().ok()
    }

    /// Gives the agent a line of input.
    pub(crate) fn say(&mut self, line: &str) {
        self.input.as_mut().expect("the input is open").write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Ends the agent's input.
    pub(crate) fn end_input(&mut self) {
        self.input.take();
    }

    /// Waits until the agent has said this.
    pub(crate) fn said(&self, needle: &str) {
        let found = self.seen.wait(PATIENCE, |seen| seen.output.contains(needle).then_some(()));
        assert!(found.is_some(), "the agent never said '{needle}', but: {}", self.output());
    }

    /// What it has said so far.
    pub(crate) fn output(&self) -> String {
        self.seen.look(|seen| seen.output.clone())
    }

    /// What it said, once all of its processes have closed their outputs.
    pub(crate) fn output_if_ended(&self) -> Option<String> {
        self.seen.look(|seen| seen.output_ended.then(|| seen.output.clone()))
    }

    /// Waits for the end of the agent's first process and of all its output.
    pub(crate) fn end(&mut self) -> Said {
        self.end_input();
        let ended = self.seen.wait(PATIENCE, |seen| seen.output_ended.then_some(()));
        assert!(ended.is_some(), "the agent does not end; it said: {}", self.output());
        let status =
            super::wait::eventually("the agent's first process ends", || self.child.try_wait().unwrap());
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        self.seen.change(|seen| seen.code = Some(code));
        Said { code, output: self.output(), errors: String::new() }
    }
}

/// Waits for the end of all of them, as long as any goes on: there may be many execs in each.
pub(crate) fn end_all(agents: &mut [Agent]) -> Vec<String> {
    while agents.iter().any(|agent| agent.output_if_ended().is_none()) {
        let before: usize = agents.iter().map(|agent| agent.output().len()).sum();
        super::wait::eventually("the agents go on", || {
            let now: usize = agents.iter().map(|agent| agent.output().len()).sum();
            (now > before || agents.iter().all(|agent| agent.output_if_ended().is_some())).then_some(())
        });
    }
    agents.iter_mut().map(|agent| agent.end().output).collect()
}

fn collect(from: PipeReader, into: &Shared<Seen>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
        into.change(|seen| seen.output.push_str(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    into.change(|seen| seen.output_ended = true);
}

impl Drop for Agent {
    fn drop(&mut self) {
        // An error means that all have ended already.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
