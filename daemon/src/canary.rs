//! The canary: a child that is an agent's executes a listed program, and has to be held, refused, let go, and killed where
//! it does not begin with the arguments that were approved.
//!
//! That the programs are attached says that they are there, not that they do what they should. So the daemon tries it:
//! before it says that it enforces, at each reload, and now and then.
#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::symlink, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use holdpoint_abi::{CANARY_AGENT, Hold, NAME_LENGTH, Name, PHASE_HELD, VERDICT_ALLOW, VERDICT_DENY};
use nix::{errno::Errno, sys::signal::Signal, unistd::execv};
use thiserror::Error;

use crate::{
    bound::{Bound, FileVersion, Strings},
    engine::go_on,
    kernel::{Gate, KernelError, Running},
    observe,
    sys::{clock, process::Process},
};

/// The name under which the canary executes, which is always listed. No rule is about it.
const NAME: &str = "holdpoint-canary";
/// What it executes with.
const ARGUMENT: &str = "--version";

/// What the kernel half has done wrong, or why it could not be tried.
#[derive(Debug, Error)]
pub(crate) enum CanaryError {
    #[error("cannot {operation} for the canary: {cause}")]
    Io { operation: &'static str, cause: io::Error },
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error("a listed exec of an agent's process was not held: it ended with {0}")]
    NotHeld(ExitStatus),
    #[error(
        "a listed exec of an agent's process was refused without a hold: too much goes on, see the counters"
    )]
    Busy,
    #[error("a listed exec of an agent's process was neither held nor over after {} seconds", PATIENCE.as_secs())]
    Nowhere,
    #[error("a listed exec that was denied ended with {0}, and not with EPERM")]
    NotRefused(ExitStatus),
    #[error("a listed exec that was approved ended with {0}, and did not run")]
    NotRun(ExitStatus),
    #[error(
        "a listed exec began with other arguments than were approved and ended with {0}: it was not killed"
    )]
    NotKilled(ExitStatus),
    #[error("a listed exec was answered and did not go on within {} seconds", PATIENCE.as_secs())]
    Stuck,
}

/// How long each step may take. On an idle host it takes a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);
/// What an approval of the canary's is good for.
const VALID_FOR: Duration = Duration::from_secs(30);

/// The name as the kernel half lists it.
pub(crate) fn listed_name() -> Name {
    let name = NAME.as_bytes();
    let padded: Name = std::array::from_fn(|index| name.get(index).copied().unwrap_or(0));
    const { assert!(NAME.len() < NAME_LENGTH) };
    padded
}

/// Where the canary executes: a link to this program.
pub(crate) fn path(runtime_directory: &Path) -> PathBuf {
    runtime_directory.join(NAME)
}

/// Has a child held and refused, another held and let go, and a third killed. The caller is the one who answers holds, and
/// nobody else answers these meanwhile.
///
/// # Errors
/// When anything else happens.
pub(crate) fn prove(gate: &mut Gate, path: &Path) -> Result<(), CanaryError> {
    make_link(path)?;
    let denied = one(gate, path, &Bound::default(), VERDICT_DENY)?;
    if denied.code() != Some(Errno::EPERM as i32) {
        return Err(CanaryError::NotRefused(denied));
    }
    let approved = one(gate, path, &bound(gate, path, ARGUMENT)?, VERDICT_ALLOW)?;
    if approved.into_raw() != 0 {
        return Err(CanaryError::NotRun(approved));
    }
    let exchanged = one(gate, path, &bound(gate, path, "--help")?, VERDICT_ALLOW)?;
    if exchanged.signal() != Some(Signal::SIGKILL as i32) {
        return Err(CanaryError::NotKilled(exchanged));
    }
    Ok(())
}

/// What an approval of the canary with this argument is bound to.
fn bound(gate: &Gate, path: &Path, argument: &str) -> Result<Bound, CanaryError> {
    let failed = |cause| CanaryError::Io { operation: "look at this program", cause };
    let path = path.as_os_str().as_bytes();
    let argv = [path.to_vec(), argument.as_bytes().to_vec()];
    let strings = Strings::of(gate.hash_key(), &argv, &[], path).unwrap_or_default();
    let own = std::env::current_exe().and_then(fs::metadata).map_err(failed)?;
    Ok(Bound::new(strings, FileVersion::of(&own)))
}

/// The child's part: waits for the word, becomes the listed program, and says in its exit code why it could not.
pub(crate) fn become_canary(path: &Path) -> ExitCode {
    let word = io::Read::read(&mut io::stdin(), &mut [0]);
    if !matches!(word, Ok(1)) {
        // The daemon has ended.
        return ExitCode::FAILURE;
    }
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return ExitCode::FAILURE };
    let Ok(argument) = std::ffi::CString::new(ARGUMENT) else { return ExitCode::FAILURE };
    match execv(&path, &[path.as_c_str(), argument.as_c_str()]) {
        Ok(never) => match never {},
        Err(errno) => ExitCode::from(u8::try_from(errno as i32).unwrap_or(u8::MAX)),
    }
}

fn make_link(path: &Path) -> Result<(), CanaryError> {
    let failed = |operation| move |cause| CanaryError::Io { operation, cause };
    let own = std::env::current_exe().map_err(failed("find this program"))?;
    if fs::read_link(path).is_ok_and(|target| target == own) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed("replace a link")(cause)),
        _ => symlink(own, path).map_err(failed("make a link")),
    }
}

/// One child from its start to its end.
fn one(gate: &mut Gate, path: &Path, bound: &Bound, verdict: u32) -> Result<ExitStatus, CanaryError> {
    let mut child = Canary::start(path)?;
    let failed = |operation| move |cause| CanaryError::Io { operation, cause };
    let process = Process::open(child.0.id()).map_err(failed("find the child"))?;
    let start_ticks = observe::process::stat(process.pid()).map_or(0, |stat| stat.start_ticks);
    let child_of_ours = Running::Process { pid: process.pid(), start_ticks, agent: CANARY_AGENT };
    if gate.tag_running(child_of_ours)?.threads == 0 {
        return Err(failed("tag the child")(io::ErrorKind::NotFound.into()));
    }
    child.tell().map_err(failed("wake the child"))?;
    let (id, hold) = child.held(gate, &process)?;
    let expires_at = clock::boot().after(VALID_FOR).0;
    gate.answer(id, bound.answer(verdict, expires_at))?;
    let ended = child.goes_on(gate, &hold);
    // Also where it does not: the next sweep must not find it.
    gate.forget(id)?;
    ended
}

/// The child. It is killed when this goes.
struct Canary(Child);

impl Canary {
    fn start(path: &Path) -> Result<Self, CanaryError> {
        let failed = |cause| CanaryError::Io { operation: "start a child", cause };
        let own = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(own);
        command.arg("--canary").arg(path).env_clear().stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(Stdio::null()).spawn().map(Self).map_err(failed)
    }

    fn tell(&mut self) -> io::Result<()> {
        self.0.stdin.take().map_or(Ok(()), |mut input| io::Write::write_all(&mut input, b"!"))
    }

    fn held(&mut self, gate: &Gate, process: &Process) -> Result<(u64, Hold), CanaryError> {
        let begun = Instant::now();
        loop {
            let waiting = gate.tags().get(process).map(|state| state.hold).unwrap_or(0);
            if let Some(hold) = gate.hold(waiting)?.filter(|hold| hold.phase == PHASE_HELD) {
                return Ok((waiting, hold));
            }
            match self.ended()? {
                Some(status) if status.code() == Some(Errno::EPERM as i32) => return Err(CanaryError::Busy),
                Some(status) => return Err(CanaryError::NotHeld(status)),
                None => {}
            }
            if begun.elapsed() > PATIENCE {
                return Err(CanaryError::Nowhere);
            }
            thread::sleep(PAUSE);
        }
    }

    fn goes_on(&mut self, gate: &Gate, hold: &Hold) -> Result<ExitStatus, CanaryError> {
        let begun = Instant::now();
        loop {
            go_on(hold, gate.tags());
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                return Err(CanaryError::Stuck);
            }
            thread::sleep(PAUSE);
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, CanaryError> {
        self.0.try_wait().map_err(|cause| CanaryError::Io { operation: "wait", cause })
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
