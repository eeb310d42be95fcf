//! What it means when the socket cannot be used.

use std::{error::Error, io, path::Path};

use nix::errno::Errno;

use crate::{args::CONTROL_SOCKET, failure::Failure};

/// Finds the system's error inside a client's error, and says what to do about it.
pub(super) fn sort(cause: &reqwest::Error, socket: &Path) -> Failure {
    let shown = socket.display();
    let code = io_error(cause).and_then(io::Error::raw_os_error).map(Errno::from_raw);
    match code.and_then(|code| known(code, socket)) {
        Some(failure) => failure,
        None if cause.is_timeout() => silent(socket),
        None if cause.is_connect() || cause.is_request() || cause.is_body() || cause.is_decode() => {
            Failure::Unavailable(format!(
                "lost the connection to '{shown}': {}; see 'systemctl status holdpointd'",
                io_error(cause).map_or_else(|| innermost(cause), ToString::to_string)
            ))
        }
        None => Failure::Internal(format!("cannot call '{shown}': {}", innermost(cause))),
    }
}

/// What the system's answers to connect(2) mean here.
fn known(code: Errno, socket: &Path) -> Option<Failure> {
    let shown = socket.display();
    match code {
        Errno::ENOENT | Errno::ECONNREFUSED => Some(Failure::Unavailable(format!(
            "holdpointd is not running: nobody listens on '{shown}'; see 'systemctl status holdpointd'"
        ))),
        // The kernel half refuses an agent with EPERM; permissions of the file system refuse with EACCES.
        Errno::EPERM => Some(Failure::NotPermitted(format!(
            "cannot connect to '{shown}': the kernel refuses, since this process belongs to an agent, and agents \
             may not decide; decide from a terminal that was not started by an agent"
        ))),
        Errno::EACCES => Some(Failure::NotPermitted(format!(
            "cannot connect to '{shown}': permission denied; only root and members of the group that owns the socket \
             may decide: see 'ls -l {shown}', have root add you with 'gpasswd --add USER GROUP', and log in again"
        ))),
        _ => None,
    }
}

/// The daemon is there, and does not answer.
pub(super) fn silent(socket: &Path) -> Failure {
    let journal = if socket == Path::new(CONTROL_SOCKET) { "; see 'journalctl -u holdpointd'" } else { "" };
    Failure::Unavailable(format!("holdpointd does not answer on '{}'{journal}", socket.display()))
}

fn io_error(cause: &reqwest::Error) -> Option<&io::Error> {
    std::iter::successors(cause.source(), |error: &&(dyn Error + 'static)| (*error).source())
        .find_map(|error| error.downcast_ref())
}

fn innermost(cause: &reqwest::Error) -> String {
    let last =
        std::iter::successors(cause.source(), |error: &&(dyn Error + 'static)| (*error).source()).last();
    last.map_or_else(|| cause.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_to_connect_has_its_cure() {
        let text = |code| known(code, Path::new(CONTROL_SOCKET)).unwrap().to_string();
        assert!(text(Errno::ENOENT).starts_with("holdpointd is not running"));
        assert!(text(Errno::ECONNREFUSED).contains("systemctl status holdpointd"));
        assert!(text(Errno::EPERM).contains("agents may not decide"), "{}", text(Errno::EPERM));
        assert!(text(Errno::EACCES).contains("gpasswd --add"), "{}", text(Errno::EACCES));
        assert!(known(Errno::EIO, Path::new("/x")).is_none());
    }
}
