//! What the files of `/proc` say (proc(5)), as text that somebody else has read.
//!
//! Names of processes, cgroups and mounts in it are the agent's to choose. So a text that is not understood is none, and
//! never an error that ends anything.

mod call;
mod identity;
mod mount;
mod stat;
mod status;

pub use call::{Exec, is_exec, registers};
pub use identity::{add_mapped_users, add_users_and_groups, groups};
pub use mount::{device, numbered};
pub use stat::Stat;
pub use status::Status;

/// The login user id in `loginuid`; none where nobody logged in.
#[must_use]
pub fn login_uid(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

/// The path in the unified hierarchy, of `cgroup`; empty where there is none.
#[must_use]
pub fn cgroup(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default()
}

/// The systemd unit that a cgroup belongs to: the last component that names one.
#[must_use]
pub fn unit(cgroup: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(cgroup).ok()?;
    let named = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    text.rsplit('/').find(named).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_unit_counts() {
        let path = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-u1.scope/x";
        assert_eq!(cgroup(&format!("1:name=x:/y\n0::{path}\n")), path);
        assert_eq!(unit(path.as_bytes()).as_deref(), Some("run-u1.scope"));
        assert_eq!(unit(b"/"), None);
    }

    #[test]
    fn nobody_is_the_login_user_whose_number_is_all_ones() {
        assert_eq!((login_uid("1000\n"), login_uid("4294967295\n"), login_uid("")), (Some(1000), None, None));
    }
}
