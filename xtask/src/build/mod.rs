//! `cargo xtask build`: the eBPF object, the programs, and the test binaries.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::cache;
use crate::command;
use crate::options::Profile;
use crate::setup;

pub(crate) mod ebpf;

/// Package, binary, and place in the guest.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("holdpoint", "holdpoint", "usr/bin/holdpoint"),
    ("holdpointd", "holdpointd", "usr/sbin/holdpointd"),
    ("holdpoint-test-agent", "holdpoint-test-agent", "usr/bin/holdpoint-test-agent"),
];

/// The feature of the daemon by which a test can have it die at a named place, and what only such a daemon contains.
const FAILPOINTS: (&str, &[u8]) = ("failpoints", b"HOLDPOINT_FAILPOINT");

/// Where the daemon looks for its eBPF object.
const OBJECT: &str = "usr/lib/holdpoint/holdpoint.bpf.o";

/// Where the rule packs are installed.
const POLICIES: &str = "usr/share/holdpoint/policies";

/// What was built, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    binaries: PathBuf,
    object: PathBuf,
}

impl Programs {
    /// Each file that a guest gets, and its place there.
    pub(crate) fn installed(&self) -> anyhow::Result<Vec<(PathBuf, String)>> {
        let mut files: Vec<(PathBuf, String)> = PROGRAMS
            .iter()
            .map(|(_, binary, place)| (self.binaries.join(binary), (*place).to_string()))
            .collect();
        files.push((self.object.clone(), OBJECT.to_string()));
        files.retain(|(path, _)| path.is_file());
        let policies = cache::repository()?.join("policies");
        // All in one directory, as the package has them: an operator copies a file.
        let listing = command::output(Command::new("find").arg(&policies).args([
            "-mindepth",
            "2",
            "-maxdepth",
            "2",
            "-name",
            "*.toml",
        ]))?;
        for path in listing.lines().map(PathBuf::from) {
            let name = path.file_name().context("name a rule pack")?.display().to_string();
            files.push((path, format!("{POLICIES}/{name}")));
        }
        Ok(files)
    }

    /// The files that should be there and are not.
    fn missing(&self) -> Vec<PathBuf> {
        let binaries = PROGRAMS.iter().map(|(_, binary, _)| self.binaries.join(binary));
        binaries.chain([self.object.clone()]).filter(|path| !path.is_file()).collect()
    }
}

/// Builds the programs and the tests of the VM.
pub(crate) fn everything(profile: Profile) -> anyhow::Result<()> {
    run(profile)?;
    end_to_end().map(|_| ())
}

/// Builds the eBPF object and the programs.
pub(crate) fn run(profile: Profile) -> anyhow::Result<Programs> {
    let ready = setup::ready()?;
    let root = cache::repository()?;
    ebpf::build(&root, &ready.linker)?;
    let mut build = cargo(&root);
    build.args(["build", "--quiet"]).args(profile.flag());
    for (package, binary, _) in PROGRAMS {
        build.args(["--package", package, "--bin", binary]);
    }
    command::run(&mut build).context("build the programs")?;
    let programs = last(profile)?;
    let daemon = programs.binaries.join("holdpointd");
    if contains(&daemon, FAILPOINTS.1)? {
        bail!(
            "build the programs: {} has fail-points, which no program that ships may have; something else built it \
             meanwhile: build again",
            daemon.display()
        );
    }
    Ok(programs)
}

/// Builds the daemon that can be told to die, and then the programs as they ship.
///
/// In this order: cargo puts both at the same place, where the second has to stay. What they depend on is built once.
pub(crate) fn with_failpoints() -> anyhow::Result<(Programs, PathBuf)> {
    let root = cache::repository()?;
    let (feature, trace) = FAILPOINTS;
    let mut build = cargo(&root);
    build.args(["build", "--quiet", "--release", "--package", "holdpointd", "--features", feature]);
    // It is there to die early, not to be fast: half of the optimization is half of the time to compile.
    build.args(["--config", "profile.release.package.holdpointd.opt-level=1"]);
    command::run(&mut build).context("build the daemon with fail-points")?;
    let built = target(&root).join("release/holdpointd");
    let kept = built.with_file_name("holdpointd-failpoints");
    std::fs::copy(&built, &kept).with_context(|| format!("copy {}", built.display()))?;
    if !contains(&kept, trace)? {
        bail!("build the daemon with fail-points: {} has none", kept.display());
    }
    Ok((run(Profile::Release)?, kept))
}

fn contains(path: &Path, text: &[u8]) -> anyhow::Result<bool> {
    let content = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(content.windows(text.len()).any(|window| window == text))
}

/// The programs as they were built last.
pub(crate) fn last(profile: Profile) -> anyhow::Result<Programs> {
    let root = cache::repository()?;
    let directory = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    let object = ebpf::object(&root);
    let programs = Programs { binaries: target(&root).join(directory), object };
    for path in programs.missing() {
        eprintln!("xtask: {} was never built; the VM runs without it", path.display());
    }
    Ok(programs)
}

/// Builds the test binary that runs in the VM and returns its path.
pub(crate) fn end_to_end() -> anyhow::Result<PathBuf> {
    let root = cache::repository()?;
    if !root.join("tests/e2e/Cargo.toml").is_file() {
        bail!("build the tests of the VM: tests/e2e/Cargo.toml is missing");
    }
    let mut command = cargo(&root);
    command.args(["test", "--quiet", "--package", "holdpoint-e2e", "--no-run", "--message-format=json"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("run cargo test")?;
    if !output.status.success() {
        bail!("build the tests of the VM: cargo test: {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Vec<PathBuf> = text.lines().filter_map(test_executable).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!("build the tests of the VM: holdpoint-e2e has no file in tests/"),
        _ => bail!("build the tests of the VM: holdpoint-e2e has more than one test target: {found:?}"),
    }
}

/// Builds the program that measures in the VM and returns its path.
pub(crate) fn bench() -> anyhow::Result<PathBuf> {
    let root = cache::repository()?;
    let mut build = cargo(&root);
    build.args(["build", "--quiet", "--release", "--package", "holdpoint-bench"]);
    command::run(&mut build).context("build the program that measures")?;
    Ok(target(&root).join("release/holdpoint-bench"))
}

impl Profile {
    fn flag(self) -> Option<&'static str> {
        (self == Self::Release).then_some("--release")
    }
}

/// The cargo that runs xtask, in the root of the repository.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root);
    command
}

fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |directory| root.join(directory))
}

/// The executable in a line of cargo's JSON, if it is that of an integration test.
fn test_executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_test = message.pointer("/target/kind/0")?.as_str()? == "test";
    let executable = message.get("executable")?.as_str()?;
    is_test.then(|| PathBuf::from(executable))
}
