//! What the service manager is told, by sd_notify(3): that the gate is shut, how things stand, and that holds move.
//!
//! Where `NOTIFY_SOCKET` is not set, as on a terminal, nothing is told, and nothing else is different.
#![forbid(unsafe_code)]

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{ffi::OsStrExt as _, net::SocketAddr, net::UnixDatagram},
    },
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tracing::warn;

use crate::sys::clock;

/// systemd, if it has started us and wants to hear.
pub(crate) struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    reload_failed: AtomicBool,
    /// Whether the last message did not arrive.
    deaf: AtomicBool,
}

/// How long a message may wait for a manager that does not read. The engine's own thread sends, and must go on
/// letting tasks go while PID 1 hangs; what is lost is sent again after the next sweep.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest status line, in characters: `systemctl status` shows it in one line.
const MAX_STATUS: usize = 400;

impl Manager {
    /// The manager that the environment names.
    pub(crate) fn from_environment() -> Self {
        let text = |name: &str| env::var(name).ok();
        let watchdog = watchdog(text("WATCHDOG_USEC"), text("WATCHDOG_PID"), std::process::id());
        Self::open(env::var_os("NOTIFY_SOCKET"), watchdog)
    }

    fn open(address: Option<OsString>, watchdog: Option<Duration>) -> Self {
        let socket = address.filter(|address| !address.is_empty()).and_then(|address| {
            let opened = connect(&address);
            if let Err(cause) = &opened {
                warn!(%cause, "cannot reach the service manager at NOTIFY_SOCKET: it will not hear of this start");
            }
            opened.ok()
        });
        Self { socket, watchdog, reload_failed: AtomicBool::default(), deaf: AtomicBool::default() }
    }

    /// Whether anybody listens.
    pub(crate) fn listens(&self) -> bool {
        self.socket.is_some()
    }

    /// How often it wants to hear that holds move: twice in the time after which it ends the daemon.
    pub(crate) fn ping_every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Enforcing, after a start or a reload.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Rules are being read again, until [`Self::ready`].
    pub(crate) fn reloading(&self) {
        // From systemd 253 on a reload is told from the one before by the time at which it began.
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic_microseconds()));
    }

    /// The daemon ends by order.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ending; the gate stays shut, and what is held stays held");
    }

    /// How things stand, in one line. False where it did not arrive.
    pub(crate) fn status(&self, sentence: &str) -> bool {
        self.tell(&format!("STATUS={}", one_line(sentence)))
    }

    /// Holds are moving. False where it did not arrive.
    pub(crate) fn ping(&self) -> bool {
        self.tell("WATCHDOG=1")
    }

    /// Notes how the last reload went.
    pub(crate) fn note_reload(&self, failed: bool) {
        self.reload_failed.store(failed, Ordering::Relaxed);
    }

    /// Whether the last reload failed.
    pub(crate) fn reload_has_failed(&self) -> bool {
        self.reload_failed.load(Ordering::Relaxed)
    }

    fn tell(&self, message: &str) -> bool {
        let Some(socket) = &self.socket else { return false };
        let sent = socket.send(message.as_bytes());
        let was_deaf = self.deaf.swap(sent.is_err(), Ordering::Relaxed);
        if let Err(cause) = &sent
            && !was_deaf
        {
            warn!(%cause, "cannot tell the service manager '{}'", message.escape_debug());
        }
        sent.is_ok()
    }
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(address)?,
    }
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// The time after which the manager ends the process that it started, if it is this one.
fn watchdog(microseconds: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    let limit: u64 = microseconds?.parse().ok().filter(|limit| *limit > 0)?;
    let ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    ours.then(|| Duration::from_micros(limit))
}

/// A line break would begin another field of the message.
fn one_line(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = holdpoint_core::escape::for_terminal(line.join(" ").as_bytes());
    match line.char_indices().nth(MAX_STATUS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UnixDatagram, Manager) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let manager = Manager::open(Some(path.into_os_string()), Some(Duration::from_secs(8)));
        (listener, manager)
    }

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 2048];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn the_manager_hears_each_message_in_the_form_of_sd_notify() {
        let (listener, manager) = pair();
        manager.ready();
        assert_eq!(heard(&listener), "READY=1");
        assert!(manager.ping());
        assert_eq!(heard(&listener), "WATCHDOG=1");
        manager.reloading();
        let said = heard(&listener);
        let began = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{said}"));
        assert!(began.parse::<u64>().unwrap() > 0);
        assert_eq!(manager.ping_every(), Some(Duration::from_secs(4)));
    }

    #[test]
    fn a_status_is_one_line_and_has_an_end() {
        let (listener, manager) = pair();
        assert!(manager.status("cannot write:\n  READY=1\u{7}"));
        assert_eq!(heard(&listener), "STATUS=cannot write: READY=1\\x07");
        assert!(manager.status(&"long ".repeat(1000)));
        assert_eq!(heard(&listener).chars().count(), "STATUS=".len() + MAX_STATUS + 1);
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        for address in [None, Some(OsString::new()), Some(OsString::from("/nonexistent/notify"))] {
            let manager = Manager::open(address, None);
            assert!(!manager.listens() && !manager.ping());
        }
    }

    #[test]
    fn a_manager_that_does_not_read_stops_nobody() {
        let (_listener, manager) = pair();
        while manager.ping() {}
        assert!(!manager.ping());
    }

    #[test]
    fn a_watchdog_for_another_process_is_none_of_ours() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(watchdog(text("3000000"), text("7"), 7), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(text("3000000"), None, 7), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(text("3000000"), text("8"), 7), None);
        assert_eq!(watchdog(text("soon"), None, 7), None);
        assert_eq!(watchdog(text("0"), None, 7), None);
    }
}
