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

/// A file system with one program. Its server answers everybody but the daemon.
pub(crate) struct Fuse {
    server: Child,
    lines: Lines<BufReader<ChildStdout>>,
    name: &'static str,
}

impl Fuse {
    pub(crate) const DIRECTORY: &str = "/opt/holdpoint-tests/fuse";

    /// With a copy under a name that is listed.
    pub(crate) fn serve() -> Self {
        Self::serve_as("hp-dynamic")
    }

    /// With a copy under this name.
    pub(crate) fn serve_as(name: &'static str) -> Self {
        shell(&format!("mkdir -p {}; modprobe fuse 2>/dev/null || true", Self::DIRECTORY));
        let mut server = User::Root.command("holdpoint-test-agent", None);
        server.args(["serve-fuse", Self::DIRECTORY, UNLISTED, name]).stdout(Stdio::piped());
        let mut server = server.spawn().unwrap();
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let mut server = Self { server, lines, name };
        assert_eq!(server.says(), "serving");
        let unguarded = Agent::unguarded(User::Agent, &["sh", "-c", &server.exec()]);
        assert!(unguarded.output.contains("status 7"), "unguarded: {unguarded:?}");
        // What was read then is in the page cache, where the daemon would find it without asking.
        fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
        server
    }

    /// The next line that the server says.
    pub(crate) fn says(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// A line of the shell that executes the program.
    pub(crate) fn exec(&self) -> String {
        format!("{} 7; echo \"status $?\"", self.file())
    }

    /// The program.
    pub(crate) fn file(&self) -> String {
        format!("{}/{}", Self::DIRECTORY, self.name)
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        // Who waits for an answer gets an error then.
        let _ = self.server.kill();
        let _ = self.server.wait();
        shell(&format!("umount --lazy {}", Self::DIRECTORY));
    }
}
