//! `holdpoint policy`.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{
    Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser as _},
};
use holdpoint_core::{policy::case, time::WallTime};

use super::agent_name;

/// Where the rules are that the daemon reads, unless its configuration says otherwise.
pub(crate) const POLICIES: &str = "/etc/holdpoint/policies.d";

/// Where the package has the packs.
pub(crate) const PACKS: &str = "/usr/share/holdpoint/policies";

/// What to do with the rules.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say what is wrong with the rules, and what is odd.
    Check {
        /// The directories with the rules. Several are read as one.
        #[arg(value_name = "DIR", default_value = POLICIES)]
        directories: Vec<PathBuf>,
        /// Leave out what depends on this host: programs that are not on it.
        #[arg(long)]
        no_host: bool,
        /// Count warnings as errors.
        #[arg(long)]
        strict: bool,
    },
    /// Say what the rules say of a command, or of a request of the record, and why. Nothing is run.
    Explain(Box<ExplainArguments>),
    /// Try the cases that stand beside the rules, in NAME.cases.toml.
    Test {
        /// The directories with the rules and the cases. Several are read as one.
        #[arg(value_name = "DIR", default_value = POLICIES)]
        directories: Vec<PathBuf>,
        /// List the rules and clauses that no case tries.
        #[arg(long)]
        coverage: bool,
    },
    /// Say which requests of the record other rules would decide otherwise. `mode` makes no difference.
    Diff(DiffArguments),
    /// List the rules in the order in which they are tried.
    List {
        /// The directories with the rules. Several are read as one.
        #[arg(value_name = "DIR", default_value = POLICIES)]
        directories: Vec<PathBuf>,
    },
    /// Install packs of rules, observed until told otherwise; without PACK list them. No file is overwritten.
    Init {
        /// The directory with the rules.
        #[arg(long = "dir", value_name = "DIR", default_value = POLICIES)]
        directory: PathBuf,
        /// The directory with the packs.
        #[arg(long, value_name = "DIR", default_value = PACKS)]
        from: PathBuf,
        /// Put the rules in force: leave out the line that has them only observed.
        #[arg(long)]
        enforce: bool,
        /// The packs, such as kubernetes.
        #[arg(value_name = "PACK")]
        packs: Vec<String>,
    },
    /// Print the JSON schema of the files, by which an editor completes keys and flags errors.
    Schema {
        /// Of which files.
        #[arg(value_name = "FILES", default_value = "rules")]
        of: SchemaOf,
    },
}

/// Files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Those with rules.
    Rules,
    /// Those with cases: NAME.cases.toml.
    Cases,
}

/// A command, and what is to be taken as known of it.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArguments {
    /// The directories with the rules. Several are read as one.
    #[arg(long, value_name = "DIR", default_value = POLICIES)]
    pub(crate) rules: Vec<PathBuf>,
    /// The agent's name; without it, it is not known.
    #[arg(long, value_name = "NAME", value_parser = agent_name)]
    pub(crate) agent: Option<String>,
    /// The user, by name or number; without it, who calls this.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// A group, by name or number; without it, those of the user.
    #[arg(long = "group", value_name = "NAME")]
    pub(crate) groups: Vec<String>,
    /// A variable of the command's environment; without it, the environment is empty.
    #[arg(long, value_name = "NAME=VALUE", value_parser = OsStringValueParser::new().try_map(variable))]
    pub(crate) env: Vec<OsString>,
    /// Take the environment from here; --env overrides.
    #[arg(long)]
    pub(crate) env_from_here: bool,
    /// The working directory; without it, the one here.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// The time, such as 2026-11-27T12:00:00Z; without it, now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<WallTime>,
    /// The host's name; without it, this host's.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// The unit of systemd; without it, it is not known.
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Option<String>,
    /// It has a terminal; without this, it has none.
    #[arg(long)]
    pub(crate) tty: bool,
    /// Show all rules that did not apply, and cut nothing.
    #[arg(long)]
    pub(crate) all: bool,
    /// A request of the record, by its id or the beginning of it, in the place of a command. Needs the daemon.
    #[arg(value_name = "ID", required_unless_present = "command", conflicts_with_all = ["command", "agent", "user", "groups", "env", "env_from_here", "cwd", "at", "host", "unit", "tty"])]
    pub(crate) request: Option<String>,
    /// The program and its arguments, after `--`.
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Two sets of rules, and what they are tried on.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArguments {
    /// The directory with the rules as they are.
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The directory with the rules as they are to be.
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Requests of so many days.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) days: u32,
    /// Take them from this file, the answer to `GET /v1/requests?state=all`, and not from the daemon.
    #[arg(long, value_name = "FILE")]
    pub(crate) requests: Option<PathBuf>,
}

fn variable(text: OsString) -> Result<OsString, &'static str> {
    match OsStr::as_encoded_bytes(&text).iter().position(|byte| *byte == b'=') {
        Some(1..) => Ok(text),
        _ => Err("write a variable as NAME=VALUE"),
    }
}

fn time(text: &str) -> Result<WallTime, &'static str> {
    case::point_in_time(text).ok_or("write a time such as 2026-11-27T12:00:00Z or 2026-11-27T13:00:00+01:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name_and_an_equals_sign() {
        assert!(["A=b", "A=", "A=b=c"].iter().all(|text| variable((*text).into()).is_ok()));
        assert!(["A", "=b", ""].iter().all(|text| variable((*text).into()).is_err()));
    }

    #[test]
    fn a_time_says_its_zone() {
        assert_eq!(time("1970-01-01T01:00:01+01:00"), Ok(WallTime(1000)));
        assert!(["2026-11-27", "12:00", "1969-12-31T00:00:00Z", "x"].iter().all(|text| time(text).is_err()));
    }
}
