//! `holdpoint watch` on a terminal: one key decides, and the terminal is left as it was.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::AsFd as _,
    process::{Child, ExitStatus, Stdio},
};

use super::common::{Daemon, command, request};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    poll::{PollFd, PollFlags, poll},
    pty::openpty,
    sys::{
        signal::{Signal, kill},
        termios::{LocalFlags, tcgetattr},
    },
    unistd::Pid,
};

/// In milliseconds: longer than anything here takes, so only a broken test waits for it.
const PATIENCE: u16 = 30_000;

struct Watch {
    child: Child,
    terminal: File,
    seen: String,
}

impl Watch {
    fn start(daemon: &Daemon) -> Self {
        let pty = openpty(None, None).unwrap();
        // The program must not hold the other end of its own terminal.
        fcntl(&pty.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        let side = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = command()
            .arg("--socket")
            .arg(daemon.socket())
            .arg("watch")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        Self { child, terminal: File::from(pty.master), seen: String::new() }
    }

    /// Reads until the text has come up since the last time.
    fn expect(&mut self, text: &str) {
        self.expect_one(&[text]);
    }

    /// Reads until one of the texts has come up since the last time, and says which.
    fn expect_one<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        loop {
            let found = texts.iter().filter_map(|text| Some((self.seen.find(text)?, *text))).min();
            if let Some((at, text)) = found {
                self.seen.drain(..at + text.len());
                return text;
            }
            let mut wait = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut wait, PATIENCE), Ok(1), "no {texts:?} in {:?}", self.seen);
            let mut bytes = [0; 4096];
            let read = self.terminal.read(&mut bytes);
            let count = read.unwrap_or_else(|error| panic!("{error}: no {texts:?} in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Reads until the program has let go of its terminal, and says how it ended.
    fn ended(&mut self) -> ExitStatus {
        loop {
            let mut wait = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut wait, PATIENCE), Ok(1), "it does not end; it said {:?}", self.seen);
            let mut bytes = [0; 4096];
            match self.terminal.read(&mut bytes) {
                Ok(count) => self.seen.push_str(&String::from_utf8_lossy(&bytes[..count])),
                // EIO: nobody has the other end.
                Err(_) => return self.child.wait().unwrap(),
            }
        }
    }

    fn press(&mut self, key: &str) {
        self.terminal.write_all(key.as_bytes()).unwrap();
    }

    fn reads_lines(&self) -> bool {
        tcgetattr(&self.terminal).unwrap().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

fn daemon() -> Daemon {
    let events = ["k3m9z", "7fq2a"]
        .map(|id| format!("{{\"is\":\"request\",\"request\":{}}}\n", request(id, "pending")));
    let decided = request("k3m9z", "running");
    Daemon::start(&[
        ("GET /v1/events", 200, &format!("{}\n", events.concat())),
        ("POST /v1/requests/k3m9z/votes", 200, &decided),
    ])
}

#[test]
fn one_key_decides_but_not_before_the_request_can_have_been_read() {
    let daemon = daemon();
    let mut watch = Watch::start(&daemon);
    watch.expect("request ");
    watch.expect("[1/2]");
    // Typed at once: nothing is decided by it.
    watch.press("a");
    watch.expect("(too soon: read it first)");
    assert_eq!(daemon.asked(), ["GET /v1/events"]);
    // Typed again and again, until it has been on the screen for long enough.
    let too_soon = "(too soon: read it first)";
    loop {
        watch.press("a");
        if watch.expect_one(&[too_soon, "approved"]) == "approved" {
            break;
        }
    }
    // The next one is up, and what was typed until now is thrown away.
    watch.expect("[1/1]");
    watch.press("q");
    assert_eq!(watch.ended().code(), Some(0));
    let calls = daemon.calls();
    assert_eq!(calls[1].what, "POST /v1/requests/k3m9z/votes", "the shown request, by its whole id");
    assert_eq!(calls[1].body, r#"{"verdict":"approve","reason":null,"processes":1}"#);
    assert_eq!(calls.len(), 2, "no key went to the next request");
    assert!(watch.reads_lines());
}

#[test]
fn the_terminal_is_as_it_was_after_each_way_to_end() {
    for signal in [None, Some(Signal::SIGINT), Some(Signal::SIGTERM), Some(Signal::SIGHUP)] {
        let daemon = daemon();
        let mut watch = Watch::start(&daemon);
        // Both are there: what was typed before a request came up would be thrown away.
        watch.expect("[1/2]");
        assert!(!watch.reads_lines(), "keys come one by one");
        match signal {
            None => watch.press("q"),
            Some(signal) => kill(Pid::from_raw(i32::try_from(watch.child.id()).unwrap()), signal).unwrap(),
        }
        watch.ended();
        assert!(watch.reads_lines(), "{signal:?}");
    }
}
