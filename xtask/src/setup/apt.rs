//! Debian's package archive, reached the way the machine itself reaches it.
//!
//! No host is named here: the mirror is read from the machine's own apt configuration, and other
//! releases than the machine's are asked for through a configuration of their own inside the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::cache;
use crate::command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The lines of a sources list for a release, from the mirror that the machine uses.
pub(crate) fn sources(release: &str, log: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = mirrors()?;
    if found.is_empty() {
        update(log)?;
        found = mirrors()?;
    }
    let mirror = |label: &str| found.iter().find(|(l, _)| l == label).map(|(_, uri)| uri);
    let Some(main) = mirror("Debian") else {
        bail!("find a Debian mirror: apt has no source labelled Debian; see /etc/apt/sources.list");
    };
    let mut lines = vec![format!("deb [signed-by={KEYRING}] {main} {release} main")];
    if let Some(security) = mirror("Debian-Security") {
        lines.push(format!("deb [signed-by={KEYRING}] {security} {release}-security main"));
    }
    Ok(lines)
}

/// A configuration of apt for another release, which leaves the machine's own alone.
#[derive(Debug)]
pub(crate) struct PrivateApt {
    directory: PathBuf,
}

impl PrivateApt {
    /// Lays out the directory and fetches the lists of the release.
    pub(crate) fn new(directory: &Path, release: &str, log: &Path) -> anyhow::Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            cache::create_dir(&directory.join(part))?;
        }
        let sources = sources(release, log)?.join("\n") + "\n";
        fs::write(directory.join("sources.list"), sources).context("write a sources list")?;
        fs::write(directory.join("status"), "").context("write an empty dpkg status")?;
        let this = Self { directory: directory.to_path_buf() };
        command::logged(this.apt("apt-get").arg("update"), log)
            .with_context(|| format!("fetch the package lists of {release}"))?;
        Ok(this)
    }

    /// The first dependency of a package.
    pub(crate) fn dependency(&self, package: &str) -> anyhow::Result<String> {
        let text = command::output(self.apt("apt-cache").args(["depends", package]))?;
        let first = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        first.map(str::to_string).with_context(|| format!("find what {package} depends on: nothing is named"))
    }

    /// Downloads a package into a directory and returns its path.
    pub(crate) fn download(&self, package: &str, to: &Path, log: &Path) -> anyhow::Result<PathBuf> {
        cache::create_dir(to)?;
        command::logged(self.apt("apt-get").args(["download", package]).current_dir(to), log)
            .with_context(|| format!("download {package}"))?;
        let entries = fs::read_dir(to).with_context(|| format!("read {}", to.display()))?;
        let mut files = entries.flatten().map(|entry| entry.path());
        files
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("download {package}: apt-get left no file"))
    }

    fn apt(&self, program: &str) -> Command {
        let at = |name: &str| self.directory.join(name).display().to_string();
        let mut command = Command::new(program);
        for option in [
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            String::from("Dir::Etc::sourceparts=/dev/null"),
            format!("Dir::State={}", at("")),
            format!("Dir::State::lists={}", at("lists")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            String::from("APT::Sandbox::User=root"),
            String::from("APT::Architecture=amd64"),
            String::from("Acquire::Languages=none"),
            String::from("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"),
            String::from("Acquire::Retries=3"),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }
}

/// Tells whether this process may install packages.
pub(crate) fn is_root() -> anyhow::Result<bool> {
    Ok(command::output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Fetches the machine's own package lists.
///
/// Lists that are there may be months old, as in an image of a machine: then a package that is newer than they are
/// is "not found", and the others come in versions that the archive no longer has, or that are too old.
pub(crate) fn update(log: &Path) -> anyhow::Result<()> {
    if !is_root()? {
        bail!("fetch the package lists: this needs root; run: sudo apt-get update");
    }
    let mut command = Command::new("apt-get");
    command.args(["update", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
    command::logged(&mut command, log).context("fetch the package lists")
}

/// Label and address of each archive whose lists the machine has.
fn mirrors() -> anyhow::Result<Vec<(String, String)>> {
    let format = "$(LABEL) $(REPO_URI)";
    let text = command::output(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    // The label comes from the downloaded lists: without them it stays a placeholder or empty.
    let known = pairs.filter(|(label, _)| !label.is_empty() && !label.starts_with('$'));
    Ok(known.map(|(label, uri)| (label.to_string(), uri.to_string())).collect())
}
