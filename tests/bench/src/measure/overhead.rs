//! What every spawn and every open pays, and what the least of other supervisors would cost.
//!
//! Within one boot a block of spawns drifts by more than what is measured, with the state of slab and page cache. So
//! each round measures every case once in a short block, in an order that is drawn anew, and a figure is the median of
//! the differences within rounds. A process is compared with itself, gate on and gate off. The floor of seccomp, whose
//! process has to be another since a filter cannot be taken off, comes with a comparison of two processes in the same
//! state, which tells how far to trust it.

use std::{thread, time::Duration};

use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    crew::{Scheduling, Worker},
    daemon::{self, Daemon, LISTED, UNLISTED},
    fanotify::Watch,
    gate::Gate,
    process,
    random::Random,
    report::{Line, Pairs},
    worker::WARM_UP,
};

/// Short enough that a round is over before much drifts, long enough for some ticks of the timer in each block.
const SPAWNS: u32 = 20;
/// Long enough for the freeing of files to be as far behind at the end as at the beginning: see `worker.rs`.
const OPENS: u32 = 20_000;
/// For the runs of each program.
const COUNTED_SPAWNS: u32 = 200;

/// What is measured over and over.
#[derive(Clone, Copy)]
struct Series {
    cases: &'static [Case],
    block: fn(&mut Worker) -> anyhow::Result<f64>,
    /// Blocks of a case in a round.
    blocks: usize,
    /// Blocks of each process that are not measured, after the gate was switched.
    after_switch: usize,
}

const SPAWN: Series = Series {
    cases: &SPAWN_CASES,
    block: |worker| worker.spawns(SPAWNS, UNLISTED),
    blocks: 3,
    // Some 75 spawns: so long the kernel pays for the switch.
    after_switch: 2,
};

const OPEN: Series =
    Series { cases: &OPEN_CASES, block: |worker| worker.opens(OPENS, FILE), blocks: 1, after_switch: 0 };

const OPEN_EXECUTABLE: Series =
    Series { cases: &EXECUTABLE_CASES, block: |worker| worker.opens(OPENS, EXECUTABLE), ..OPEN };

/// What most openings are of: a file that nobody executes.
const FILE: &str = "/etc/passwd";
/// The other kind, which is looked for by its name as well.
const EXECUTABLE: &str = UNLISTED;

/// Before each block: what the one before has left for later, such as memory to be freed after a grace period, is not
/// to be done within the next. This is virtual time, which passes at once.
const SETTLE: Duration = Duration::from_secs(1);

/// What a block is measured with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Untagged {
        gate: bool,
    },
    Tagged {
        gate: bool,
    },
    /// As the first without the gate, to compare like with like.
    Second,
    Fanotify,
    Seccomp,
}

impl Case {
    fn has_gate(self) -> bool {
        matches!(self, Self::Untagged { gate: true } | Self::Tagged { gate: true })
    }
}

const SPAWN_CASES: [Case; 7] = [
    Case::Untagged { gate: false },
    Case::Untagged { gate: true },
    Case::Tagged { gate: false },
    Case::Tagged { gate: true },
    Case::Second,
    Case::Fanotify,
    Case::Seccomp,
];

const OPEN_CASES: [Case; 5] = [
    Case::Untagged { gate: false },
    Case::Untagged { gate: true },
    Case::Tagged { gate: false },
    Case::Tagged { gate: true },
    Case::Second,
];

const EXECUTABLE_CASES: [Case; 2] = [Case::Tagged { gate: false }, Case::Tagged { gate: true }];

/// What is compared: a name, the case without, and the case with what the name says.
const PAIRS: [(&str, Case, Case); 5] = [
    ("untagged", Case::Untagged { gate: false }, Case::Untagged { gate: true }),
    ("tagged", Case::Tagged { gate: false }, Case::Tagged { gate: true }),
    ("same", Case::Untagged { gate: false }, Case::Second),
    ("fanotify", Case::Untagged { gate: false }, Case::Fanotify),
    ("seccomp", Case::Untagged { gate: false }, Case::Seccomp),
];

/// Measures so many rounds, and leaves nothing of holdpoint in the kernel.
pub(crate) fn run(rounds: u32) -> anyhow::Result<()> {
    daemon::install()?;
    let daemon = Daemon::start()?;
    let (untagged, tagged) = (Worker::plain(Scheduling::Batch)?, Worker::agent(Scheduling::Batch)?);
    let (second, filtered) = (Worker::plain(Scheduling::Batch)?, Worker::filtered(Scheduling::Batch)?);
    daemon.stop()?;
    let gate = Gate::take_over()?;
    let mut stage = Stage { gate, watch: Watch::new()?, untagged, tagged, second, filtered };
    stage.gate_works()?;
    let mut random = Random::new();
    let (mut spawns, mut opens, mut executables) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        spawns.push(stage.round(&mut random, SPAWN)?);
        opens.push(stage.round(&mut random, OPEN)?);
        executables.push(stage.round(&mut random, OPEN_EXECUTABLE)?);
    }
    stage.gate_works()?;
    print("spawn", &spawns)?;
    print("open", &opens)?;
    print("open-executable", &executables)?;
    stage.gate.attach()?;
    programs(&stage.gate, &mut stage.untagged, "untagged")?;
    programs(&stage.gate, &mut stage.tagged, "tagged")?;
    drop(stage);
    daemon::take_down()
}

/// The figures of one round.
type Round = Vec<(Case, f64)>;

fn print(what: &str, rounds: &[Round]) -> anyhow::Result<()> {
    for (name, without, with) in PAIRS {
        let mut pairs = Pairs::default();
        for round in rounds {
            let of = |case| round.iter().find(|(it, _)| *it == case).map(|(_, figure)| *figure);
            // Not all cases are measured with everything.
            if let Some((without, with)) = of(without).zip(of(with)) {
                pairs.push(without, with);
            }
        }
        pairs.print(&format!("{what}/{name}"))?;
    }
    Ok(())
}

/// All that takes part.
struct Stage {
    gate: Gate,
    watch: Watch,
    untagged: Worker,
    tagged: Worker,
    second: Worker,
    filtered: Worker,
}

impl Stage {
    fn round(&mut self, random: &mut Random, series: Series) -> anyhow::Result<Round> {
        let mut order = series.cases.to_vec();
        random.shuffle(&mut order);
        let first = random.below(2) == 0;
        order.sort_by_key(|case| case.has_gate() != first);
        let mut round = Round::new();
        let mut gate = None;
        for case in order {
            // What the kernel has to do after a switch, and pays in many spawns after it, is nobody's.
            if gate.replace(case.has_gate()) != Some(case.has_gate()) {
                for other in
                    [case, Case::Untagged { gate: case.has_gate() }, Case::Tagged { gate: case.has_gate() }]
                {
                    for _ in 0..series.after_switch {
                        self.measure(other, series.block)?;
                    }
                }
            }
            let mut figures = Vec::new();
            for _ in 0..series.blocks {
                figures.push(self.measure(case, series.block)?);
            }
            round.push((case, mean(&figures)));
        }
        Ok(round)
    }

    fn measure(&mut self, case: Case, block: fn(&mut Worker) -> anyhow::Result<f64>) -> anyhow::Result<f64> {
        if case.has_gate() {
            self.gate.attach()?;
        } else {
            self.gate.detach();
        }
        if case == Case::Fanotify {
            self.watch.mark()?;
        }
        thread::sleep(SETTLE);
        let figure = block(match case {
            Case::Untagged { .. } | Case::Fanotify => &mut self.untagged,
            Case::Tagged { .. } => &mut self.tagged,
            Case::Second => &mut self.second,
            Case::Seccomp => &mut self.filtered,
        });
        if case == Case::Fanotify {
            self.watch.unmark()?;
        }
        // Tasks are freed a grace period after their end. A gate that does not see it finds what it keeps of them later,
        // and whoever comes by then would pay.
        thread::sleep(SETTLE);
        figure
    }

    /// Makes sure that attached means held and detached means not: else the figures would be those of nothing.
    fn gate_works(&mut self) -> anyhow::Result<()> {
        self.gate.detach();
        let free = self.tagged.start(LISTED)?;
        self.tagged.begin_wait(free)?;
        let end = self.tagged.end_of_wait()?;
        ensure!(end.how == "exited 0", "run a listed program without the gate: it {}", end.how);
        self.gate.attach()?;
        let held = self.tagged.start(LISTED)?;
        // Without the gate it would end, and this with an error.
        process::wait_until_stopped(held)?;
        kill(Pid::from_raw(i32::try_from(held)?), Signal::SIGKILL).context("end a held process")?;
        self.tagged.begin_wait(held)?;
        let end = self.tagged.end_of_wait()?;
        ensure!(end.how.contains("SIGKILL"), "end a held process: it {}", end.how);
        Ok(())
    }
}

fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len() as f64
}

/// Has the kernel count what each program runs. It costs something itself, so no other figure is taken meanwhile.
fn programs(gate: &Gate, worker: &mut Worker, process: &str) -> anyhow::Result<()> {
    let counting = aya::sys::enable_stats(aya::sys::Stats::RunTime)?;
    let before = gate.runs()?;
    worker.spawns(COUNTED_SPAWNS, UNLISTED)?;
    let after = gate.runs()?;
    drop(counting);
    for (before, after) in before.iter().zip(&after) {
        let name = &after.program;
        let (runs, instructions) = (after.count - before.count, after.instructions - before.instructions);
        Line::Program { name, process, spawns: COUNTED_SPAWNS + WARM_UP, runs, instructions }.print()?;
    }
    Ok(())
}
