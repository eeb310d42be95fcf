//! Checks of the kernel, of what is mounted, and of directories.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use nix::sys::{statfs::statfs, utsname::uname};

use super::Check;

/// `BPF_FS_MAGIC` (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/magic.h>).
pub(crate) const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
/// `CGROUP2_SUPER_MAGIC`, in the same file.
pub(super) const CGROUP2_MAGIC: i64 = 0x6367_7270;

/// The oldest kernel on which all of this was verified.
const OLDEST: (u32, u32) = (6, 1);
/// `CAP_KILL`, `CAP_DAC_READ_SEARCH`, `CAP_SYS_PTRACE`, `CAP_SYS_ADMIN`, `CAP_PERFMON`, `CAP_BPF`
/// (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/capability.h>).
const CAPABILITIES: [(u32, &str); 6] = [
    (5, "CAP_KILL"),
    (2, "CAP_DAC_READ_SEARCH"),
    (19, "CAP_SYS_PTRACE"),
    (21, "CAP_SYS_ADMIN"),
    (38, "CAP_PERFMON"),
    (39, "CAP_BPF"),
];

/// Major and minor number of the running kernel.
pub(crate) fn kernel_version() -> Option<(u32, u32)> {
    let name = uname().ok()?;
    let mut numbers = name.release().to_str()?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) fn kernel() -> Check {
    let name = "kernel";
    match kernel_version() {
        Some(version) if version >= OLDEST => Check::pass(name, format!("{}.{}", version.0, version.1)),
        Some((major, minor)) => Check::fail(name, format!("{major}.{minor}"), "boot Linux 6.1 or later"),
        None => Check::fail(name, "its version cannot be read", "boot Linux 6.1 or later"),
    }
}

pub(super) fn privileges() -> Check {
    let name = "capabilities";
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or_default();
    let missing: Vec<&str> =
        CAPABILITIES.iter().filter(|(bit, _)| effective & 1 << bit == 0).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        Check::pass(name, "all that are needed")
    } else {
        Check::fail(name, format!("{} missing", missing.join(", ")), "run as root, or by the systemd unit")
    }
}

pub(super) fn bpf_lsm() -> Check {
    let name = "BPF LSM";
    match fs::read_to_string("/sys/kernel/security/lsm") {
        Ok(list) if list.trim().split(',').any(|lsm| lsm == "bpf") => Check::pass(name, "active"),
        Ok(list) => Check::fail(
            name,
            format!("not active; active are {}", list.trim()),
            format!("add 'lsm={},bpf' to the kernel's command line and boot again", list.trim()),
        ),
        Err(cause) => Check::fail(
            name,
            format!("cannot read '/sys/kernel/security/lsm': {cause}"),
            "mount -t securityfs securityfs /sys/kernel/security",
        ),
    }
}

pub(super) fn btf() -> Check {
    let name = "BTF";
    match fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(_) => Check::pass(name, "'/sys/kernel/btf/vmlinux'"),
        Err(cause) => Check::fail(
            name,
            format!("cannot use '/sys/kernel/btf/vmlinux': {cause}"),
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as the distributions' are",
        ),
    }
}

pub(super) fn mounted(name: &'static str, path: &str, magic: i64, cure: &str) -> Check {
    match statfs(path) {
        Ok(found) if found.filesystem_type().0 == magic => Check::pass(name, format!("at '{path}'")),
        Ok(_) => Check::fail(name, format!("not mounted at '{path}'"), cure),
        Err(cause) => Check::fail(name, format!("cannot look at '{path}': {cause}"), cure),
    }
}

/// A directory of ours: there, our own, nobody else's to write, and writable.
pub(super) fn directory(name: &'static str, path: &Path, unit_line: &str) -> Check {
    let shown = path.display();
    let own = nix::unistd::geteuid().as_raw();
    let made = format!("install -d -m 0755 -o root -g root '{shown}', or {unit_line} in the unit");
    match fs::metadata(path) {
        Err(cause) => Check::fail(name, format!("cannot use '{shown}': {cause}"), made),
        Ok(found) if !found.is_dir() => Check::fail(name, format!("'{shown}' is no directory"), made),
        Ok(found) if found.uid() != own => {
            Check::fail(name, format!("'{shown}' belongs to uid {}, not to {own}", found.uid()), made)
        }
        Ok(found) if found.mode() & 0o022 != 0 => {
            Check::fail(name, format!("'{shown}' can be written by others"), format!("chmod go-w '{shown}'"))
        }
        Ok(_) => match can_write(path) {
            Ok(()) => Check::pass(name, format!("'{shown}'")),
            Err(cause) => Check::fail(
                name,
                format!("cannot write in '{shown}': {cause}"),
                "make the file system writable, with free space",
            ),
        },
    }
}

pub(super) fn object(path: &Path) -> Check {
    let name = "eBPF object";
    match fs::metadata(path) {
        Ok(_) => Check::pass(name, format!("'{}'", path.display())),
        Err(cause) => Check::fail(
            name,
            format!("cannot use '{}': {cause}", path.display()),
            "install the whole package, or set 'bpf_object' in config.toml",
        ),
    }
}

fn can_write(directory: &Path) -> io::Result<()> {
    let probe = directory.join(".holdpoint-probe");
    fs::write(&probe, b"x")?;
    fs::remove_file(&probe)
}
