//! What one run adds to the fresh root file system: the programs, the files, and the plan of the run.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{Boot, terminal};
use crate::build::Programs;
use crate::cache;
use crate::command;

const RUN: &str = include_str!("../../../tests/vm/run");
const UNIT: &str = include_str!("../../../tests/vm/holdpoint-vm.service");

/// Where the FILEs are in the guest.
const DIRECTORY: &str = "root/run";

/// How files begin that are laid beside the scripts and not run: programs, and Debian packages.
const BESIDE: [&[u8]; 2] = [b"\x7fELF", b"!<arch>\n"];

/// What one run adds to the root file system.
#[derive(Debug)]
pub(crate) struct Payload {
    programs: Option<Programs>,
    files: Vec<Companion>,
    variables: Vec<(String, String)>,
}

#[derive(Debug)]
struct Companion {
    name: String,
    content: Vec<u8>,
}

impl Payload {
    /// A payload of the built programs alone.
    pub(crate) fn new(programs: Programs) -> Self {
        Self { programs: Some(programs), ..Self::bare() }
    }

    /// A payload with nothing installed.
    pub(crate) fn bare() -> Self {
        Self { programs: None, files: Vec::new(), variables: Vec::new() }
    }

    /// Adds a file of the host: a script to run, or a program or package to lay beside the scripts.
    pub(crate) fn add(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut content = Vec::new();
        let read = File::open(path).and_then(|mut file| file.read_to_end(&mut content));
        read.with_context(|| format!("read {}", path.display()))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("name {} in the VM: it is not UTF-8", path.display()))?;
        self.add_content(name, content)
    }

    /// Adds a file by its content.
    pub(crate) fn add_content(&mut self, name: &str, content: Vec<u8>) -> anyhow::Result<()> {
        if self.files.iter().any(|file| file.name == name) {
            bail!("copy files into one directory of the VM: two of them are called {name}");
        }
        self.files.push(Companion { name: name.to_string(), content });
        Ok(())
    }

    /// Sets a variable in the environment of the files.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !name.starts_with(first) || !name.chars().all(|c| first(c) || c.is_ascii_digit()) {
            bail!("set a variable: `{name}` cannot be the name of one");
        }
        self.variables.push((name.to_string(), value.to_string()));
        Ok(())
    }

    /// Writes the payload as a tar file, by way of a directory beside it.
    pub(super) fn write(&self, tar: &Path, nonce: &str, boot: &Boot) -> anyhow::Result<()> {
        let stage = Stage::new(tar.with_extension("stage"))?;
        let programs = self.programs.as_ref().map(Programs::installed).transpose()?;
        for (source, target) in programs.unwrap_or_default() {
            stage.copy(&source, &target, 0o755)?;
        }
        for file in &self.files {
            stage.write(&format!("{DIRECTORY}/{}", file.name), &file.content, 0o755)?;
        }
        stage.write("opt/holdpoint-vm/run", RUN.as_bytes(), 0o755)?;
        stage.write("opt/holdpoint-vm/plan", self.plan(nonce, boot).as_bytes(), 0o644)?;
        stage.write("etc/systemd/system/holdpoint-vm.service", UNIT.as_bytes(), 0o644)?;
        let wants = stage.path("etc/systemd/system/multi-user.target.wants/holdpoint-vm.service")?;
        symlink("/etc/systemd/system/holdpoint-vm.service", wants).context("enable the unit of the run")?;
        stage.pack(tar)
    }

    /// Shell assignments that the guest's runner reads.
    fn plan(&self, nonce: &str, boot: &Boot) -> String {
        let (rows, columns) = terminal::size();
        let (limit, interactive) = (boot.timeout.as_secs(), u8::from(boot.interactive));
        let mut plan = format!("nonce={nonce}\nlimit={limit}\ninteractive={interactive}\n");
        plan.push_str(&format!("rows={rows}\ncolumns={columns}\n"));
        let scripts =
            self.files.iter().filter(|file| !BESIDE.iter().any(|magic| file.content.starts_with(magic)));
        let names: Vec<String> = scripts.map(|file| quote(&file.name)).collect();
        plan.push_str(&format!("files=({})\n", names.join(" ")));
        for (name, value) in &self.variables {
            plan.push_str(&format!("export {name}={}\n", quote(value)));
        }
        plan
    }
}

/// A directory that mirrors the part of the root file system that is added.
struct Stage {
    root: PathBuf,
}

impl Stage {
    fn new(root: PathBuf) -> anyhow::Result<Self> {
        cache::create_dir(&root)?;
        Ok(Self { root })
    }

    fn path(&self, target: &str) -> anyhow::Result<PathBuf> {
        let path = self.root.join(target);
        if let Some(parent) = path.parent() {
            cache::create_dir(parent)?;
        }
        Ok(path)
    }

    fn write(&self, target: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
        let path = self.path(target)?;
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        set_mode(&path, mode)
    }

    fn copy(&self, source: &Path, target: &str, mode: u32) -> anyhow::Result<()> {
        let path = self.path(target)?;
        fs::copy(source, &path).with_context(|| format!("copy {}", source.display()))?;
        set_mode(&path, mode)
    }

    /// Packs the files and not the directories, whose modes belong to the image.
    fn pack(&self, tar: &Path) -> anyhow::Result<()> {
        let script = "cd \"$1\" && find . ! -type d -print0 | \
                      tar --create --file \"$2\" --owner=root:0 --group=root:0 --null --no-recursion -T -";
        command::run(Command::new("sh").args(["-c", script, "sh"]).arg(&self.root).arg(tar))
            .context("pack the payload of the VM")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        cache::discard(&self.root);
    }
}

fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).with_context(|| format!("set the mode of {}", path.display()))
}

/// One word of the shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_keeps_its_quotes() {
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }
}
