//! `holdpoint policy`: the rules of a directory, looked at without the daemon. `init` alone changes something.

mod cases;
mod check;
pub(crate) mod close;
mod diff;
mod explain;
mod init;
mod list;
mod missing;
mod program;
mod read;
mod requests;
mod schema;
mod who;

use std::path::Path;

use crate::{args::PolicyCommand, failure::Failure, render::Style};

pub(crate) use cases::{Failed, Fate, Results, Said};
pub(crate) use check::Findings;
pub(crate) use diff::{Differences, Otherwise};
pub(crate) use explain::{Explained, Recorded};
pub(crate) use init::{Installed, Pack};
pub(crate) use list::Listed;
pub(crate) use program::{Interpreter, Program};

/// Why a directory without rules is no success.
pub(crate) const NO_RULES: &str = "no rules: no program is listed, so nothing is held";

/// How the result is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Print {
    pub(crate) json: bool,
    pub(crate) style: Style,
}

/// `socket` is the daemon's, for what is about requests.
pub(super) fn run(command: PolicyCommand, socket: &Path, print: Print) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check { directories, no_host, strict } => {
            check::check(&directories, !no_host, strict, print)
        }
        PolicyCommand::Explain(arguments) => explain::explain(*arguments, socket, print),
        PolicyCommand::Test { directories, coverage } => cases::test(&directories, coverage, print),
        PolicyCommand::Diff(arguments) => diff::diff(&arguments, socket, print),
        PolicyCommand::List { directories } => list::list(&directories, print),
        PolicyCommand::Init { directory, from, enforce, packs } => {
            init::init(&directory, &from, &packs, enforce, print)
        }
        PolicyCommand::Schema { of } => schema::schema(of),
    }
}
