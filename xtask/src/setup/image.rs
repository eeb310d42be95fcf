//! The root file system of the VM: a small Debian with the real programs that the tests gate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{apt, log, step};
use crate::cache;
use crate::command;

const RELEASE: &str = "bookworm";

/// Run by mmdebstrap when the packages are in. Part of the recipe.
const CUSTOMIZE: &str = include_str!("../../../tests/vm/customize");

const PACKAGES: [&str; 32] = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "bash",
    "coreutils",
    "procps",
    "util-linux",
    "make",
    "python3",
    "sudo",
    "strace",
    "tmux",
    "kubernetes-client",
    "awscli",
    "postgresql-client",
    "iptables",
    "busybox",
    "kmod",
    "iproute2",
    "jq",
    "less",
    "libcap2-bin",
    "passwd",
    "login",
    "e2fsprogs",
    "bsdextrautils",
    "file",
    "fuse3",
    "attr",
    "openssh-client",
    "cron",
    "git",
];

/// Left out of the image: nobody reads there.
const EXCLUDED: [&str; 3] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"];

/// Room for tests that make 100,000 files, and for their data. The file is sparse.
const MAKE: &str = "mke2fs -q -t ext4 -m 0 -N 400000 -E lazy_itable_init=1,lazy_journal_init=1";
const SIZE: &str = "4G";

/// Finds the image in the cache, or makes it. A changed recipe makes a new one.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let parts = [RELEASE, CUSTOMIZE, MAKE, SIZE].into_iter().chain(PACKAGES).chain(EXCLUDED);
    let images = cache::root()?.join("images");
    let directory = images.join(format!("root-{}", cache::digest(parts.map(str::as_bytes))));
    if !directory.is_dir() {
        cache::sweep(&images);
        step("making the Debian image of the VM, which takes a minute or two", || {
            cache::entry(&directory, make)
        })?;
    }
    Ok(directory.join("root.ext4"))
}

fn make(directory: &Path) -> anyhow::Result<()> {
    let log = &log("image")?;
    cache::create_dir(directory)?;
    let tar = directory.join("root.tar");
    let customize = directory.join("customize");
    fs::write(&customize, CUSTOMIZE).context("write the hook of mmdebstrap")?;
    fs::set_permissions(&customize, fs::Permissions::from_mode(0o755))
        .context("write the hook of mmdebstrap")?;
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=minbase", "--format=tar", "--aptopt=Acquire::Languages \"none\""]);
    command.arg(format!("--include={}", PACKAGES.join(",")));
    command.args(EXCLUDED.map(|path| format!("--dpkgopt=path-exclude={path}")));
    command.arg(format!("--customize-hook={} \"$1\"", customize.display()));
    command.arg(RELEASE).arg(&tar).args(apt::sources(RELEASE, log)?);
    command::logged(&mut command, log).context("make a root file system")?;

    // Unpacked by root, or by somebody who looks like root, so that the image has the right owners.
    let script = format!(
        "set -e; cd '{}'; mkdir tree; tar -C tree --numeric-owner -xpf root.tar; \
         PATH=$PATH:/usr/sbin; {MAKE} -d tree root.ext4 {SIZE}; rm -rf tree root.tar",
        directory.display()
    );
    let mut command = if apt::is_root()? {
        Command::new("sh")
    } else {
        let mut helper = Command::new("mmdebstrap");
        helper.args(["--unshare-helper", "sh"]);
        helper
    };
    command::logged(command.arg("-c").arg(script), log).context("make a disk image")
}
