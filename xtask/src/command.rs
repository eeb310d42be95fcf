//! Running other programs, with errors that name what was run.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail};

/// Runs a command whose output is for the person who watches.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("run {}: {status}", describe(command));
    }
    Ok(())
}

/// Runs a command whose output is for the person who watches, and tells how it ended.
pub(crate) fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    command.stdin(Stdio::null()).status().with_context(|| format!("run {}", describe(command)))
}

/// Runs a command and returns what it writes.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.with_context(|| format!("run {}", describe(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("run {}: {}: {}", describe(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("read what {} wrote", describe(command)))
}

/// Runs a command with its output in a log, whose end is shown when it fails.
pub(crate) fn logged(command: &mut Command, log: &Path) -> anyhow::Result<()> {
    let file = File::options().create(true).append(true).open(log);
    let file = file.with_context(|| format!("write the log {}", log.display()))?;
    let twin = file.try_clone().with_context(|| format!("write the log {}", log.display()))?;
    let status = status(command.stdout(file).stderr(twin))?;
    if !status.success() {
        bail!("run {}: {status}; the end of {}:\n{}", describe(command), log.display(), tail(log, 20));
    }
    Ok(())
}

/// Tells whether a program is in PATH.
pub(crate) fn found(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    // Programs of administrators are missing from the PATH of others on Debian.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|d| d.join(program).is_file())
}

/// The last lines of a text file, as much as there is.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let Ok(mut file) = File::open(path) else { return String::from("(it cannot be read)") };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    // A file that cannot be read to its end still says something.
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)));
    let _ = file.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("`{}…`", line.get(..end).unwrap_or_default()),
        None => format!("`{line}`"),
    }
}
