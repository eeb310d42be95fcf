//! The directory of a run in the cache, and what the kernel's console says when a VM fails.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cache;
use crate::command;

/// So many runs are kept for those who want to read their logs.
const KEPT: usize = 20;

/// The directory of one run.
#[derive(Debug)]
pub(super) struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory and removes those of runs that are long over.
    pub(super) fn new(nonce: &str) -> anyhow::Result<Self> {
        let runs = cache::root()?.join("runs");
        let path = runs.join(format!("{}-{nonce}", std::process::id()));
        cache::create_dir(&path)?;
        prune(&runs);
        Ok(Self { path })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The kernel's last words, for an error.
    pub(super) fn last_words(&self) -> String {
        let console = self.file("console.log");
        let qemu = command::tail(&self.file("qemu.log"), 10);
        let said = match self.panic() {
            Some(panic) => panic,
            None => command::tail(&console, 60),
        };
        let about = if qemu.is_empty() { String::new() } else { format!("\nqemu says:\n{qemu}") };
        format!("the end of its console, {}:\n{said}{about}", console.display())
    }

    /// What the console says about a panic of the kernel: the lines before it are the cause.
    pub(super) fn panic(&self) -> Option<String> {
        let bytes = fs::read(self.file("console.log")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let place = lines.iter().position(|line| line.contains("Kernel panic - not syncing"))?;
        let around = lines.iter().skip(place.saturating_sub(25)).take(30);
        Some(around.copied().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        for name in ["payload.tar", "initramfs.cpio"] {
            cache::discard(&self.file(name));
        }
    }
}

/// A word that is drawn for each run.
pub(super) fn draw_nonce() -> anyhow::Result<String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").context("draw a word for the run")?;
    Ok(uuid.chars().filter(char::is_ascii_hexdigit).take(16).collect())
}

fn prune(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    let mut old: Vec<(std::time::SystemTime, PathBuf)> = entries
        .flatten()
        .filter(|entry| !is_alive(&entry.path()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    old.sort();
    let surplus = old.len().saturating_sub(KEPT);
    for (_, path) in old.iter().take(surplus) {
        cache::discard(path);
    }
}

/// The name of a run's directory begins with the number of its process.
fn is_alive(run: &Path) -> bool {
    let name = run.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let pid = name.split('-').next().unwrap_or_default();
    Path::new("/proc").join(pid).exists()
}
