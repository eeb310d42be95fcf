//! The controlling side of workers: see `worker.rs` for what they do.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::seccomp;

/// A worker process. It is killed when this goes.
pub(crate) struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// How the scheduler treats a worker and its children.
#[derive(Clone, Copy)]
pub(crate) enum Scheduling {
    /// As usual.
    Ordinary,
    /// A task that wakes up does not take the processor from the one that woke it. As usual, it does or does not,
    /// according to which ran more, and the number of switches differs from one process to the next by more than what
    /// is measured. The tasks of the kernel still take it whenever they want to.
    Batch,
}

/// How a child of a worker ended.
pub(crate) struct End {
    /// When its parent saw it.
    pub(crate) at: u64,
    /// How, in words; a good end is `exited 0`.
    pub(crate) how: String,
}

impl Worker {
    /// An ordinary process.
    pub(crate) fn plain(scheduling: Scheduling) -> anyhow::Result<Self> {
        Self::begin(scheduling, &[])
    }

    /// An agent's process, tagged by the daemon that runs.
    pub(crate) fn agent(scheduling: Scheduling) -> anyhow::Result<Self> {
        Self::begin(scheduling, &["holdpoint", "run", "--agent", "bench", "--"])
    }

    /// A process under a seccomp filter that notifies of every execve, with a listener that lets it go on.
    pub(crate) fn filtered(scheduling: Scheduling) -> anyhow::Result<Self> {
        let mut worker = Self::plain(scheduling)?;
        let descriptor = worker.order("filter")?.parse().context("read the number of a descriptor")?;
        seccomp::listen(worker.child.id(), descriptor)?;
        Ok(worker)
    }

    /// The mean instructions of a run in a block of so many spawns.
    pub(crate) fn spawns(&mut self, count: u32, program: &str) -> anyhow::Result<f64> {
        self.block("spawn", count, program)
    }

    /// The mean instructions of a run in a block of so many opens and closes.
    pub(crate) fn opens(&mut self, count: u32, file: &str) -> anyhow::Result<f64> {
        self.block("open", count, file)
    }

    /// Forks a child that executes the program, and returns its pid.
    pub(crate) fn start(&mut self, program: &str) -> anyhow::Result<u32> {
        self.order(&format!("start {program}"))?.parse().context("read the pid of a child")
    }

    /// The same with a child that stops itself before.
    pub(crate) fn start_stopped(&mut self, program: &str) -> anyhow::Result<u32> {
        self.order(&format!("start-stopped {program}"))?.parse().context("read the pid of a child")
    }

    /// Has the worker wait for its child. What is to happen meanwhile comes between this and [`Worker::end_of_wait`].
    pub(crate) fn begin_wait(&mut self, pid: u32) -> anyhow::Result<()> {
        self.send(&format!("wait {pid}"))
    }

    pub(crate) fn end_of_wait(&mut self) -> anyhow::Result<End> {
        let answer = self.receive()?;
        let (at, how) = answer.split_once(' ').context("read how a child ended")?;
        Ok(End { at: at.parse().context("read when a child ended")?, how: how.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn begin(scheduling: Scheduling, wrapper: &[&str]) -> anyhow::Result<Self> {
        let class = match scheduling {
            Scheduling::Ordinary => "--other",
            Scheduling::Batch => "--batch",
        };
        let mut command = Command::new("chrt");
        command.args([class, "0"]).args(wrapper);
        command.arg(std::env::current_exe().context("find this program")?).arg("worker");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start a worker")?;
        let orders = child.stdin.take().context("write to a worker")?;
        let answers = BufReader::new(child.stdout.take().context("read from a worker")?);
        let mut worker = Self { child, orders, answers };
        // An agent's process is tagged by then.
        worker.receive().context("wait for a worker to begin")?;
        Ok(worker)
    }

    fn block(&mut self, what: &str, count: u32, path: &str) -> anyhow::Result<f64> {
        let total: f64 =
            self.order(&format!("{what} {count} {path}"))?.parse().context("read a worker's figure")?;
        Ok(total / f64::from(count))
    }

    fn order(&mut self, line: &str) -> anyhow::Result<String> {
        self.send(line)?;
        self.receive()
    }

    fn send(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.orders, "{line}").context("give a worker an order")
    }

    fn receive(&mut self) -> anyhow::Result<String> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("read a worker's answer")?;
        if answer.is_empty() {
            bail!("read a worker's answer: it has ended: {:?}", self.child.wait());
        }
        if let Some(error) = answer.strip_prefix("error ") {
            bail!("a worker says: {}", error.trim_end());
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
