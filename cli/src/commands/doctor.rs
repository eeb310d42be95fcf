//! `holdpoint doctor`: what the command line can see for itself, with or without a daemon.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

use holdpoint_core::wire::Status;
use nix::unistd::{Gid, Group, User, geteuid, getgroups};
use serde::Serialize;

use crate::{
    args::AGENT_SOCKET,
    client::Client,
    failure::Failure,
    output,
    render::{self, Style},
};

/// The oldest kernel that is supported.
const OLDEST_KERNEL: (u32, u32) = (6, 1);

/// One check, and how it went.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// What is checked.
    pub(crate) name: &'static str,
    /// Whether it is as it should be.
    pub(crate) ok: bool,
    /// What was found.
    pub(crate) found: String,
    /// What to do, where it is not as it should be.
    pub(crate) cure: Option<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    checks: &'a [Check],
}

pub(super) async fn doctor(socket: &Path, json: bool, style: Style) -> Result<(), Failure> {
    let checks = [
        kernel(),
        lsm(),
        btf(),
        socket_file("control socket", socket, 0o007),
        // Agents of every user connect to this one.
        socket_file("agent socket", Path::new(AGENT_SOCKET), 0),
        group(socket),
        login(),
        daemon(socket).await,
    ];
    if json {
        output::json(&Report { checks: &checks })?;
    } else {
        output::print(&render::doctor::page(&checks, style))?;
    }
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        failed => Err(Failure::No(format!("{failed} of {} checks failed", checks.len()))),
    }
}

fn check(name: &'static str, result: Result<String, (String, &str)>) -> Check {
    match result {
        Ok(found) => Check { name, ok: true, found, cure: None },
        Err((found, cure)) => Check { name, ok: false, found, cure: Some(cure.to_owned()) },
    }
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim().to_owned();
    let mut numbers = release.split(['.', '-', '+']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let cure = "boot a kernel of version 6.1 or later";
    check("kernel", if version >= OLDEST_KERNEL { Ok(release) } else { Err((release, cure)) })
}

fn lsm() -> Check {
    let name = "BPF LSM";
    let path = "/sys/kernel/security/lsm";
    match fs::read_to_string(path) {
        Ok(list) if list.trim().split(',').any(|lsm| lsm == "bpf") => {
            check(name, Ok(format!("active ({})", list.trim())))
        }
        Ok(list) => {
            let cure = format!("add 'lsm={},bpf' to the kernel's command line and boot again", list.trim());
            check(name, Err((format!("not active ({})", list.trim()), &cure)))
        }
        Err(cause) => check(
            name,
            Err((
                format!("cannot read '{path}': {cause}"),
                "run 'mount -t securityfs securityfs /sys/kernel/security' as root",
            )),
        ),
    }
}

fn btf() -> Check {
    let path = "/sys/kernel/btf/vmlinux";
    let cure = "boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y";
    check(
        "BTF",
        match fs::metadata(path) {
            Ok(_) => Ok(format!("'{path}' is there")),
            Err(cause) => Err((format!("cannot look at '{path}': {cause}"), cure)),
        },
    )
}

/// A socket must be root's, so that nobody else can play the daemon.
fn socket_file(name: &'static str, path: &Path, forbidden: u32) -> Check {
    let shown = path.display();
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(cause) => {
            let cure = if cause.kind() == io::ErrorKind::NotFound {
                "start the daemon: 'systemctl start holdpointd'"
            } else {
                "see the modes of the directories above it"
            };
            return check(name, Err((format!("cannot look at '{shown}': {cause}"), cure)));
        }
    };
    let mode = found.mode() & 0o7777;
    let facts = format!("'{shown}' has owner {}, group {}, mode {mode:04o}", found.uid(), found.gid());
    if !found.file_type().is_socket() {
        check(
            name,
            Err((
                format!("'{shown}' is not a socket"),
                "find out who made it, remove it, and restart holdpointd",
            )),
        )
    } else if found.uid() != 0 {
        check(name, Err((facts, "it is not root's: find out who made it, remove it, and restart holdpointd")))
    } else if mode & forbidden != 0 {
        check(name, Err((facts, "everybody may connect: restart holdpointd, which sets the mode")))
    } else {
        check(name, Ok(facts))
    }
}

/// Whether this process may connect to the control socket.
fn group(socket: &Path) -> Check {
    let name = "permission to decide";
    let uid = geteuid();
    if uid.is_root() {
        return check(name, Ok("root".to_owned()));
    }
    let user = User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
    let Ok(found) = fs::metadata(socket) else {
        let cure = "start the daemon first: the group that owns the control socket may decide";
        return check(
            name,
            Err((format!("'{user}' is not root, and without a socket nobody else may decide"), cure)),
        );
    };
    let gid = Gid::from_raw(found.gid());
    let group = Group::from_gid(gid).ok().flatten().map_or_else(|| format!("gid {gid}"), |group| group.name);
    if getgroups().is_ok_and(|groups| groups.contains(&gid)) {
        return check(name, Ok(format!("'{user}' is in group '{group}'")));
    }
    let cure = format!("have root run 'gpasswd --add {user} {group}', then log in again");
    check(name, Err((format!("'{user}' is not in group '{group}'"), &cure)))
}

/// Whether a vote of this process can be told from a service's.
fn login() -> Check {
    let text = fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    let found = match text.trim().parse::<u32>() {
        Ok(uid) if uid != u32::MAX => Ok(format!("uid {uid}")),
        _ => Err((
            "none: this process was not started from a login".to_owned(),
            "vote from ssh or the console, or set 'require_login_uid = false' in /etc/holdpoint/config.toml",
        )),
    };
    check("login uid", found)
}

async fn daemon(socket: &Path) -> Check {
    let name = "holdpointd";
    let status: Result<Status, Failure> = async { Client::new(socket)?.get("/v1/status").await }.await;
    match status {
        Ok(status) if status.enforcing && status.problems.is_empty() => {
            check(name, Ok(format!("version {}, enforcing {} rules", status.version, status.rules)))
        }
        Ok(status) => {
            let mut found =
                if status.enforcing { "enforcing".to_owned() } else { "NOT enforcing".to_owned() };
            for problem in &status.problems {
                found.push_str("; ");
                found.push_str(problem);
            }
            check(name, Err((found, "run 'holdpointd --check' as root, and see 'journalctl -u holdpointd'")))
        }
        Err(failure) => check(name, Err((failure.to_string(), "see 'systemctl status holdpointd'"))),
    }
}
