//! The command line, as people use it.

use std::{
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, Stdio},
};

/// A user of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    /// May use sudo.
    Agent,
    /// In the group of those who decide.
    Alice,
    /// In no group.
    Bob,
}

impl User {
    pub(crate) fn uid(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::Agent => 1000,
            Self::Alice => 1001,
            Self::Bob => 1002,
        }
    }

    /// Supplementary groups, which the kernel asks for at the socket.
    fn groups(self) -> &'static str {
        if self == Self::Alice { "900" } else { "" }
    }

    /// A command that becomes this user, with a login uid where there is one to set.
    pub(crate) fn command(self, program: &str, login: Option<u32>) -> Command {
        let mut command = Command::new("sh");
        let login = login.map_or_else(String::new, |uid| format!("echo {uid} >/proc/self/loginuid && "));
        let groups = if self.groups().is_empty() {
            "--clear-groups".to_owned()
        } else {
            format!("--groups={}", self.groups())
        };
        let become_user = if self == Self::Root {
            String::new()
        } else {
            format!("setpriv --reuid={0} --regid={0} {groups} ", self.uid())
        };
        command.args(["-c", &format!("{login}exec {become_user}\"$0\" \"$@\""), program]);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LANG", "C.UTF-8").env("HOME", "/tmp").current_dir("/tmp").process_group(0);
        command
    }
}

/// What a command said, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// The exit code, or 128 and the signal.
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// `holdpoint ARGUMENTS`, as root in a terminal of their own would.
pub(crate) fn holdpoint(arguments: &[&str]) -> Said {
    holdpoint_as(User::Root, None, arguments)
}

/// `holdpoint ARGUMENTS` by some user, with or without a login.
pub(crate) fn holdpoint_as(user: User, login: Option<u32>, arguments: &[&str]) -> Said {
    run(user.command("holdpoint", login).args(arguments))
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|cause| panic!("run {command:?}: {cause}"));
    let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code, output: text(&output.stdout), errors: text(&output.stderr) }
}

/// Runs a line of the shell as root. It has to succeed.
pub(crate) fn shell(line: &str) -> String {
    let said = run(Command::new("sh").args(["-euc", line]));
    assert_eq!(said.code, 0, "{line}: {}{}", said.output, said.errors);
    said.output
}
