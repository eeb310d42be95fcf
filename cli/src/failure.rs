//! How a command can fail, what is said then, and with which exit code.

use std::{ffi::OsString, io, io::Write as _, process::ExitCode};

use holdpoint_core::wire::Problem;
use thiserror::Error;

/// Why a command did not do what it was to do.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// It worked, and the answer is no. What there is to say has been printed.
    #[error("{0}")]
    No(String),
    /// What was given makes no sense.
    #[error("{0}")]
    Data(String),
    /// The daemon cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// The system does not let us.
    #[error("{0}")]
    NotPermitted(String),
    /// The daemon says no.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// `run` only: the command was not started, for this reason. It must never look like the command's own end.
    #[error("{0}; the command was not run")]
    NotRun(Box<Failure>),
    /// The command cannot be executed.
    #[error("cannot execute '{}': {cause}{}", shown(command), exec_cure(cause))]
    Exec {
        /// What was to be executed.
        command: OsString,
        /// What the system said.
        cause: io::Error,
    },
    /// Nobody reads what we print, as in `holdpoint log | head`. Nothing is wrong.
    #[error("cannot print: the reader has gone")]
    ReaderGone,
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// Says it on standard error.
    pub(crate) fn report(&self) {
        let text = match self {
            Self::ReaderGone => return,
            other => other.to_string(),
        };
        // Several lines are meant: an error in the rules comes with the place and a caret.
        let lines: Vec<_> = text.lines().map(crate::render::text::plain).collect();
        // With standard error gone there is nobody left to tell.
        let _ = writeln!(io::stderr(), "holdpoint: {}", lines.join("\n"));
    }

    fn code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::No(_) => 1,
            Self::Data(_) => 65,
            Self::Unavailable(_) | Self::NotRun(_) => 69,
            Self::Internal(_) => 70,
            Self::NotPermitted(_) => 77,
            Self::Exec { cause, .. } if cause.kind() == io::ErrorKind::NotFound => 127,
            Self::Exec { .. } => 126,
            Self::Refused(problem) => problem_code(problem),
        }
    }
}

impl From<&Failure> for ExitCode {
    fn from(failure: &Failure) -> Self {
        failure.code().into()
    }
}

/// The exit code for what the daemon answered. Its name says more than its status where the two differ.
fn problem_code(problem: &Problem) -> u8 {
    match (problem.kind.rsplit(':').next(), problem.status) {
        (Some("already-decided" | "cannot-tag"), _) => 1,
        (_, 403) => 77,
        (_, 408 | 503) => 69,
        (Some("no-such-route" | "no-such-method"), _) | (_, 500..) => 70,
        _ => 65,
    }
}

fn shown(command: &OsString) -> String {
    holdpoint_core::escape::for_terminal(command.as_encoded_bytes())
}

fn exec_cure(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(code) if code == nix::Error::EPERM as i32 => {
            "; it was denied at a hold point: see 'holdpoint log'"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(word: &str, status: u16) -> Failure {
        let kind = format!("urn:holdpoint:problem:{word}");
        Failure::Refused(Problem { kind, title: String::new(), status, detail: "d".into() })
    }

    #[test]
    fn each_failure_has_its_exit_code() {
        for (word, status, code) in [
            ("already-decided", 409, 1),
            ("ambiguous-id", 409, 65),
            ("unknown-id", 404, 65),
            ("bad-policy", 422, 65),
            ("agent-may-not", 403, 77),
            ("no-login", 403, 77),
            ("store-failed", 503, 69),
            ("too-slow", 408, 69),
            ("internal", 500, 70),
            ("no-such-route", 404, 70),
        ] {
            assert_eq!(refused(word, status).code(), code, "{word}");
        }
        let exec =
            |code| Failure::Exec { command: "x\x1b".into(), cause: io::Error::from_raw_os_error(code) };
        assert_eq!((exec(2).code(), exec(13).code(), exec(1).code()), (127, 126, 126));
        assert!(exec(1).to_string().contains("denied at a hold point"));
        assert!(!exec(1).to_string().contains('\x1b'));
    }

    #[test]
    fn whatever_stops_run_before_the_command_is_69() {
        for failure in
            [refused("internal", 500), refused("agent-may-not", 403), Failure::NotPermitted("x".into())]
        {
            assert_eq!(Failure::NotRun(Box::new(failure)).code(), 69);
        }
    }
}
