//! `cargo xtask vm run`: a fresh Debian for each run, and files run in it.
//!
//! The VM has three disks (root, modules, and a tar file with what this run adds) and one virtio port
//! that carries the output of the files. The kernel's console goes to a log.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::build;
use crate::options::{Kernel, Preempt, Profile, VmOptions, VmTask};

mod console;
mod payload;
mod qemu;
mod report;
mod session;
mod terminal;

pub(crate) use payload::Payload;

/// One boot.
#[derive(Debug)]
pub(crate) struct Boot {
    /// The kernel.
    pub(crate) kernel: Kernel,
    /// Leaves the BPF LSM out.
    pub(crate) lsm_off: bool,
    /// The preemption model, if not the kernel's default.
    pub(crate) preempt: Option<Preempt>,
    /// MiB of memory.
    pub(crate) memory: u32,
    /// How long the files may take.
    pub(crate) timeout: Duration,
    /// A terminal and the keyboard for the files.
    pub(crate) interactive: bool,
    /// Counts instructions instead of time.
    pub(crate) counting: bool,
    /// Lets the guest boot again, with the disk as it is, and the files run again.
    pub(crate) reboots: bool,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All files were run, or one failed: its status and its name.
    Exited { status: u8, file: String },
    /// The time was up.
    TimedOut,
}

impl Boot {
    /// A boot as most tests want it.
    pub(crate) fn plain(kernel: Kernel, timeout: Duration) -> Self {
        Self {
            kernel,
            lsm_off: false,
            preempt: None,
            memory: 2048,
            timeout,
            interactive: false,
            counting: false,
            reboots: false,
        }
    }

    /// Boots, runs the payload, and writes what it writes.
    pub(crate) fn run(&self, payload: &Payload, output: &mut dyn Write) -> anyhow::Result<Ending> {
        session::run(self, payload, output)
    }
}

/// Does what was asked for on the command line.
pub(crate) fn command(task: &VmTask) -> anyhow::Result<ExitCode> {
    let VmTask::Run(options) = task;
    let programs =
        if options.no_build { build::last(Profile::Release)? } else { build::run(Profile::Release)? };
    let mut payload = Payload::new(programs);
    for file in &options.files {
        payload.add(file)?;
    }
    for variable in &options.env {
        let Some((name, value)) = variable.split_once('=') else {
            bail!("set a variable: `{variable}` is not NAME=VALUE");
        };
        payload.set(name, value)?;
    }
    let ending = boot(options).run(&payload, &mut std::io::stdout().lock()).context("run files in the VM")?;
    Ok(exit_code(&ending))
}

/// The status of xtask for the end of a run, with a word about it where there is one to say.
pub(crate) fn exit_code(ending: &Ending) -> ExitCode {
    match ending {
        Ending::Exited { status: 0, .. } => ExitCode::SUCCESS,
        Ending::Exited { status, file } => {
            eprintln!("xtask: {file} exited with status {status} in the VM");
            ExitCode::from(*status)
        }
        Ending::TimedOut => ExitCode::from(124),
    }
}

fn boot(options: &VmOptions) -> Boot {
    Boot {
        kernel: options.kernel,
        lsm_off: options.lsm_off,
        preempt: options.preempt,
        memory: options.memory,
        timeout: Duration::from_secs(options.timeout),
        interactive: options.interactive,
        counting: options.counting,
        reboots: false,
    }
}
