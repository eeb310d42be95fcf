//! A file system whose server answers everybody but the daemon.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Stdio},
};

use super::{
    agent::Agent,
    cli::{User, shell},
    programs::UNLISTED,
};

/// A file system with a copy of a listed program. Its server answers everybody but the daemon.
pub(crate) struct Fuse(Child, Lines<BufReader<ChildStdout>>);

impl Fuse {
    pub(crate) const DIRECTORY: &str = "/opt/holdpoint-tests/fuse";

    pub(crate) fn serve() -> Self {
        shell(&format!("mkdir -p {}; modprobe fuse 2>/dev/null || true", Self::DIRECTORY));
        let mut server = User::Root.command("holdpoint-test-agent", None);
        server.args(["serve-fuse", Self::DIRECTORY, UNLISTED, "hp-dynamic"]).stdout(Stdio::piped());
        let mut server = server.spawn().unwrap();
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let mut server = Self(server, lines);
        assert_eq!(server.says(), "serving");
        let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &server.exec()]);
        assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
        // What was read then is in the page cache, where the daemon would find it without asking.
        fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
        server
    }

    /// The next line that the server says.
    pub(crate) fn says(&mut self) -> String {
        self.1.next().unwrap().unwrap()
    }

    /// A line of the shell that executes the program.
    pub(crate) fn exec(&self) -> String {
        format!("{}/hp-dynamic 7; echo \"status $?\"", Self::DIRECTORY)
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        // Who waits for an answer gets an error then.
        let _ = self.0.kill();
        let _ = self.0.wait();
        shell(&format!("umount --lazy {}", Self::DIRECTORY));
    }
}
