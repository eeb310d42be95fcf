//! The command line of xtask.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds, sets up, tests and tries holdpoint.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Finds or installs what building and testing need, and says what it does.
    Setup,
    /// Builds the eBPF object, the programs, and the test binaries.
    Build(BuildOptions),
    /// Works with the virtual machine.
    #[command(subcommand)]
    Vm(VmTask),
    /// Runs the tests: without an argument all, the unit tests first and then those in the VM.
    Test(TestOptions),
    /// Runs the long tests: thousands of holds in the VM, hundreds of deaths of the daemon, and hours of fuzzing.
    Soak(SoakOptions),
    /// Fuzzes what reads the words of agents and of the kernel half.
    Fuzz(FuzzOptions),
    /// Measures what holdpoint costs, in instructions, and writes it into docs/performance.md.
    Bench(BenchOptions),
    /// Shows a held exec, its approval, and what came of it.
    Demo(DemoOptions),
    /// Makes the Debian package, and prints where it is.
    Dist,
    /// Checks the documents and the tree against the rules of the house.
    Tidy,
    /// Checks format, clippy, tidy, and the dependencies.
    Lint,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VmTask {
    /// Boots a fresh Debian with the built programs and runs files in it.
    ///
    /// The status is that of the first file that fails, 124 when the time is up, and 125 when the VM
    /// itself failed.
    Run(VmOptions),
}

#[derive(Debug, Args)]
pub(crate) struct BuildOptions {
    /// Builds without optimization, for a debugger.
    #[arg(long)]
    debug: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VmOptions {
    /// The kernel to boot.
    #[arg(long, value_enum, default_value_t = Kernel::V6_1)]
    pub(crate) kernel: Kernel,
    /// Boots with the BPF LSM left out of the kernel's list.
    #[arg(long)]
    pub(crate) lsm_off: bool,
    /// The preemption model of the kernel.
    #[arg(long, value_enum)]
    pub(crate) preempt: Option<Preempt>,
    /// How many seconds the files may take together, from the end of the boot.
    #[arg(long, value_name = "S", default_value_t = 900)]
    pub(crate) timeout: u64,
    /// The memory of the VM.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    pub(crate) memory: u32,
    /// Counts instructions: a nanosecond of the guest's clocks is one instruction, and idle time takes none.
    #[arg(long)]
    pub(crate) counting: bool,
    /// Gives the files a terminal, and the keyboard. Ctrl-] ends the VM.
    #[arg(long)]
    pub(crate) interactive: bool,
    /// Takes the programs as they were built last.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Sets a variable in the environment of the files.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Bash scripts, run in turn as root. ELF files are copied beside them and not run.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TestOptions {
    /// Which tests to run.
    #[arg(value_enum)]
    pub(crate) which: Option<Which>,
    /// Boots this kernel only.
    #[arg(long, value_enum)]
    pub(crate) kernel: Option<Kernel>,
    /// Leaves out the protections of these counters, to see that their tests fail.
    #[arg(long, value_name = "COUNTERS")]
    pub(crate) without: Option<String>,
    /// Runs only tests whose name contains this.
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SoakOptions {
    /// Boots this kernel only.
    #[arg(long, value_enum)]
    pub(crate) kernel: Option<Kernel>,
    /// How many holds are decided.
    #[arg(long, default_value_t = 15_000)]
    pub(crate) holds: u32,
    /// How many seconds the load of forks and execs lasts.
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub(crate) load: u64,
    /// How often each race is tried.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) races: u32,
    /// How many seconds each target is fuzzed.
    #[arg(long, value_name = "S", default_value_t = 3_600)]
    pub(crate) fuzz: u64,
    /// Runs only this part.
    #[arg(long, value_enum)]
    pub(crate) only: Option<SoakPart>,
    /// Runs only tests whose name contains this.
    pub(crate) filter: Option<String>,
}

/// A part of the long test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SoakPart {
    /// Thousands of holds, one after the other and at once, and hundreds of deaths of the daemon.
    Holds,
    /// Each protection left out in turn: the tests of it have to fail.
    Without,
    /// Forks and execs from all sides: 6.1 as it comes, 6.12 with full preemption.
    Load,
    /// Thousands of attempts to exchange what was approved.
    Races,
    /// Every fuzz target.
    Fuzz,
}

#[derive(Debug, Args)]
pub(crate) struct FuzzOptions {
    /// Fuzzes this target only.
    pub(crate) target: Option<String>,
    /// For how many seconds, each target.
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub(crate) seconds: u64,
    /// Minimises the corpus in the repository afterwards, with what was found.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// Boots this kernel only.
    #[arg(long, value_enum)]
    pub(crate) kernel: Option<Kernel>,
    /// Measures little, to see whether it works, and leaves the document as it is.
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Approves by itself, for a run with nobody at the keyboard.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The kernel to boot.
    #[arg(long, value_enum, default_value_t = Kernel::V6_12)]
    pub(crate) kernel: Kernel,
}

/// A kernel that the tests boot: the stock one of a Debian release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// Debian 12.
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13.
    #[value(name = "6.12")]
    V6_12,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preempt {
    Full,
    Voluntary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Those that run anywhere, as any user.
    Unit,
    /// Those that need a kernel of their own.
    Vm,
}

/// How the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl BuildOptions {
    pub(crate) fn profile(&self) -> Profile {
        if self.debug { Profile::Debug } else { Profile::Release }
    }
}

impl Kernel {
    pub(crate) const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    /// The version as people write it.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }

    /// The Debian release whose kernel it is.
    pub(crate) fn release(self) -> &'static str {
        match self {
            Self::V6_1 => "bookworm",
            Self::V6_12 => "trixie",
        }
    }
}

impl Preempt {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Voluntary => "voluntary",
        }
    }
}
