//! The Debian packages that building and booting need.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{apt, log, step};
use crate::build::ebpf;
use crate::command;

/// The second compiler, with the source of its library.
const COMPILER: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// What bpf-linker and the daemon's C parts are built with.
const LIBRARIES: [&str; 7] =
    ["llvm-22-dev", "libpolly-22-dev", "zlib1g-dev", "libzstd-dev", "gcc", "g++", "libc6-dev"];

/// Packages that boot the VM and make the Debian package, each with a program by which to find it elsewhere than on Debian.
const TOOLS: [(&str, &str); 12] = [
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("mmdebstrap", "mmdebstrap"),
    ("busybox-static", "busybox"),
    ("cpio", "cpio"),
    ("e2fsprogs", "mke2fs"),
    ("kmod", "depmod"),
    ("xz-utils", "xz"),
    ("zstd", "zstd"),
    ("tar", "tar"),
    ("util-linux", "setpriv"),
    ("dpkg-dev", "dpkg-shlibdeps"),
    ("binutils", "objcopy"),
];

/// Installs the packages that are missing, or says how to.
pub(crate) fn install() -> anyhow::Result<()> {
    if !is_debian() {
        return look_elsewhere();
    }
    let wanted: Vec<&str> =
        COMPILER.into_iter().chain(LIBRARIES).chain(TOOLS.map(|(package, _)| package)).collect();
    let missing = missing(&wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !apt::is_root()? {
        bail!(
            "install packages: this needs root; run: sudo apt-get update && \
             sudo apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
    }
    step(&format!("installing the Debian packages {}", missing.join(" ")), || {
        let log = log("apt")?;
        apt::update(&log)?;
        let mut command = Command::new("apt-get");
        command.args(["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]);
        command.args(&missing).env("DEBIAN_FRONTEND", "noninteractive");
        command::logged(&mut command, &log).context("install packages")
    })
}

fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=debian")
}

/// The packages of the list that dpkg does not know as installed.
fn missing(wanted: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"]).args(wanted);
    // The status is 1 when one of them is not known at all, which is no error here.
    let output = query.output().context("ask dpkg for its packages")?;
    let installed = String::from_utf8_lossy(&output.stdout);
    let has = |package: &str| installed.lines().any(|line| line == format!("{package} installed"));
    Ok(wanted.iter().filter(|package| !has(package)).map(ToString::to_string).collect())
}

/// Other systems are not installed on. They are told what is missing.
fn look_elsewhere() -> anyhow::Result<()> {
    let mut missing: Vec<String> = TOOLS
        .iter()
        .filter(|(_, program)| !command::found(program))
        .map(|(package, program)| format!("the program {program} (on Debian in the package {package})"))
        .collect();
    if ebpf::Compiler::find().is_err() {
        missing
            .push(String::from("a nightly compiler (rustup toolchain install nightly --component rust-src)"));
    }
    if !Path::new(super::linker::LLVM).is_dir() && !command::found("bpf-linker") {
        missing.push(String::from("bpf-linker 0.13 (cargo install bpf-linker --version 0.13.0)"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("find what is needed: this is not Debian, so install by hand: {}", missing.join(", "))
}
