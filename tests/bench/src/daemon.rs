//! The real daemon, with the rules that are shipped and one more.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    thread,
};

use anyhow::{Context as _, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{clock, http::Client, process, spinner::Spinner};

/// The program that no rule lists.
pub(crate) const UNLISTED: &str = "/usr/local/bin/bench-unlisted";
/// The same program under a name that is listed.
pub(crate) const LISTED: &str = "/usr/local/bin/bench-listed";

const NOTHING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nothing"));
const SHIPPED: &str = "/usr/share/holdpoint/policies";
const POLICIES: &str = "/etc/holdpoint/policies.d";

/// Nobody logs in to the VM.
const CONFIG: &str =
    "require_login_uid = false\nlimits = { agent_pending = 32768, agent_per_minute = 60000 }\n";

/// Virtual time may run far ahead of people's: no clock is to end a request.
const RULE: &str = r#"
[[rule]]
name = "bench"
exec = ["bench-listed"]
action = "ask"
timeout = "24h"
valid_for = "1h"
"#;

/// A daemon that enforces. It is killed when this goes.
pub(crate) struct Daemon(Child);

/// Lays out programs, configuration and rules as on a fresh host.
pub(crate) fn install() -> anyhow::Result<()> {
    for program in [UNLISTED, LISTED] {
        put(program, NOTHING, 0o755)?;
    }
    for (directory, mode) in [(POLICIES, 0o755), ("/run/holdpoint", 0o755), ("/var/lib/holdpoint", 0o700)] {
        if Path::new(directory).exists() {
            fs::remove_dir_all(directory).with_context(|| format!("remove {directory}"))?;
        }
        fs::create_dir_all(directory).with_context(|| format!("make {directory}"))?;
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(directory, permissions)
            .with_context(|| format!("set the mode of {directory}"))?;
    }
    put("/etc/holdpoint/config.toml", CONFIG.as_bytes(), 0o644)?;
    put(&format!("{POLICIES}/90-bench.toml"), RULE.as_bytes(), 0o644)?;
    for entry in fs::read_dir(SHIPPED).with_context(|| format!("list {SHIPPED}"))? {
        let path = entry.with_context(|| format!("list {SHIPPED}"))?.path();
        if path.extension().is_some_and(|extension| extension == "toml")
            && let Some(name) = path.file_name()
        {
            fs::copy(&path, Path::new(POLICIES).join(name))
                .with_context(|| format!("copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Takes programs, maps and tags out of the kernel.
pub(crate) fn take_down() -> anyhow::Result<()> {
    let status = Command::new("holdpointd").arg("--take-down").stderr(Stdio::null()).status();
    let status = status.context("run holdpointd --take-down")?;
    if !status.success() {
        bail!("holdpointd --take-down: {status}");
    }
    Ok(())
}

impl Daemon {
    /// Starts a daemon and waits until it says that it enforces.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut child = Command::new("holdpointd")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start holdpointd")?;
        let stderr = child.stderr.take().context("read the daemon's log")?;
        let mut daemon = Self(child);
        let mut lines = BufReader::new(stderr).lines();
        let mut said = Vec::new();
        loop {
            let Some(line) = lines.next() else {
                bail!("holdpointd does not enforce: {:?}\n{}", daemon.0.wait(), said.join("\n"));
            };
            let line = line.context("read the daemon's log")?;
            if line.contains("enforcing:") {
                break;
            }
            said.push(line);
        }
        drain(lines);
        Ok(daemon)
    }

    /// The same, and the instructions from its start until it enforced.
    pub(crate) fn start_measured(spinner: &Spinner) -> anyhow::Result<(Self, u64)> {
        let begun = spinner.begin()?;
        let daemon = Self::start()?;
        let instructions = spinner.since(begun, clock::now()?)?;
        Ok((daemon, instructions))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it as systemd would. The gate stays shut.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        // It says that it enforces a moment before it listens for signals.
        process::wait_until_asleep(self.pid())?;
        kill(Pid::from_raw(i32::try_from(self.0.id())?), Signal::SIGTERM).context("stop holdpointd")?;
        let status = self.0.wait().context("wait for holdpointd")?;
        if !status.success() {
            bail!("stop holdpointd: {status}");
        }
        Ok(())
    }

    /// Waits until so many requests are pending and the daemon has nothing to do.
    pub(crate) fn wait_for_pending(&self, client: &mut Client, count: u64) -> anyhow::Result<()> {
        loop {
            let status = client.get("/v1/status")?;
            let pending = status.get("pending").and_then(serde_json::Value::as_u64);
            if pending.context("find the pending requests in the daemon's status")? == count {
                return process::wait_until_asleep(self.pid());
            }
            thread::yield_now();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A daemon whose log nobody reads would stand still.
fn drain(lines: Lines<BufReader<ChildStderr>>) {
    thread::spawn(move || lines.for_each(drop));
}

fn put(path: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("write {path}"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of {path}"))
}
