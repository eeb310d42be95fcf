//! A service manager in the place of systemd: hears what the daemon tells by sd_notify(3), and does nothing about it.

use std::{fs, os::unix::net::UnixDatagram, process::Command, thread};

use super::wait::{PATIENCE, Shared};

const SOCKET: &str = "/run/holdpoint-test-notify";

/// Half of this is the time between two pings.
const WATCHDOG_MICROSECONDS: &str = "4000000";

/// All that was heard so far, the oldest first.
pub(crate) struct Manager(Shared<Vec<String>>);

impl Manager {
    pub(crate) fn begin() -> Self {
        // There is none from a test before, or nobody listens to it.
        let _none = fs::remove_file(SOCKET);
        let socket = UnixDatagram::bind(SOCKET).unwrap();
        let heard = Shared::new(Vec::new());
        let into = heard.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                into.change(|heard| heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned()));
            }
        });
        Self(heard)
    }

    /// A daemon that tells this manager how it is, and has a watchdog.
    pub(crate) fn holdpointd() -> Command {
        let mut command = Command::new("holdpointd");
        command.env("NOTIFY_SOCKET", SOCKET).env("WATCHDOG_USEC", WATCHDOG_MICROSECONDS);
        command
    }

    /// Waits for a message that begins so, among those after the first `after`. Says how many there were with it.
    pub(crate) fn heard(&self, after: usize, beginning: &str) -> usize {
        let find = |heard: &mut Vec<String>| {
            let found = heard.iter().skip(after).position(|message| message.starts_with(beginning))?;
            Some(after + found + 1)
        };
        self.0
            .wait(PATIENCE, find)
            .unwrap_or_else(|| panic!("nobody was told '{beginning}', but {:?}", self.since(after)))
    }

    /// How many messages there were.
    pub(crate) fn count(&self) -> usize {
        self.0.look(Vec::len)
    }

    /// The messages after the first `after`.
    pub(crate) fn since(&self, after: usize) -> Vec<String> {
        self.0.look(|heard| heard[after..].to_vec())
    }
}
