//! The command line.

mod policy;

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use policy::{DiffArguments, ExplainArguments, POLICIES, PolicyCommand, SchemaOf};

/// Where people decide.
pub(crate) const CONTROL_SOCKET: &str = "/run/holdpoint/control.sock";

/// Where agents ask.
pub(crate) const AGENT_SOCKET: &str = "/run/holdpoint/agent.sock";

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the answer is no: a vote that came too late, a check or a case that failed, no rules
  2    the command line is wrong
  65   what was given is wrong: no such request, an ambiguous id, rules that do not parse or cannot be read
  69   holdpointd cannot be reached, or cannot do it now; with `run`, CMD did not run
  70   a fault of holdpoint's
  77   not permitted
  126  `run`: CMD was found and could not be executed
  127  `run`: CMD was not found
Otherwise `run` exits as CMD does, since it becomes CMD.";

/// Holds execs of AI agents until a person decides.
#[derive(Debug, Parser)]
#[command(name = "holdpoint", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options that every command takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// Print JSON, in the shapes of docs/api.md; with `policy` in those of docs/cli.md.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The daemon's socket [default: /run/holdpoint/control.sock; for `run` and `why`: /run/holdpoint/agent.sock].
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Colours: `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Also into pipes and files.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start CMD as an agent: it and all that it starts are held at the hold points, for good.
    Run {
        /// The agent's name: a-z, 0-9, '.', '_' and '-', up to 64 characters.
        #[arg(long, value_parser = agent_name)]
        agent: String,
        /// What it is for. People see it as the agent's own claim.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Put it into a scope of the system's service manager first, which it cannot leave unless it is root.
        #[arg(long)]
        scope: bool,
        /// The program and its arguments, after `--`.
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Make what runs already an agent's: a process or a unit, with all threads and descendants, for good.
    #[command(group(clap::ArgGroup::new("what").required(true).args(["pid", "unit"])))]
    Attach {
        /// The agent's name: a-z, 0-9, '.', '_' and '-', up to 64 characters.
        #[arg(long, value_parser = agent_name)]
        agent: String,
        /// What it is for.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// The process.
        #[arg(long, value_name = "PID")]
        pid: Option<u32>,
        /// The unit of systemd: a service, scope or slice that runs. What it starts later belongs to the agent, too.
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
    },
    /// List the agents, each with the tree of its processes.
    Agents,
    /// List the requests that wait for a decision.
    Pending,
    /// Show all that is known of one request.
    Show {
        /// The request's id, or its beginning.
        id: String,
        /// Cut nothing, however long it is.
        #[arg(long)]
        full: bool,
    },
    /// Let requests go on.
    Approve {
        /// What to vote on.
        #[command(flatten)]
        vote: Vote,
        /// How many processes that wait for the identical action may go on, the request's own included; without it, that alone.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        processes: Option<u64>,
    },
    /// Refuse requests: their execs fail with EPERM.
    Deny(Vote),
    /// Follow requests live, and decide each with one key.
    Watch,
    /// Print the record of what happened.
    Log {
        /// Print the last N entries.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// Only entries about this request.
        #[arg(long, value_name = "ID")]
        request: Option<String>,
        /// Go on printing entries as they are made.
        #[arg(long)]
        follow: bool,
    },
    /// For an agent: say what of its own was refused without asking, why and until when, and what waits.
    Why,
    /// Say how the daemon is.
    Status,
    /// Have the daemon read its rules and its configuration again.
    Reload,
    /// Check, explain and try the rules of a directory, and install packs. It needs no daemon.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// For an operator who is locked out: say what is held and why, and how to get out, also without a daemon.
    Recover {
        /// Deny all requests that wait.
        #[arg(long)]
        deny_all: bool,
    },
    /// Check what this command needs, and say how to put it right. `holdpointd --check` checks the rest.
    Doctor,
    /// Print completions for a shell.
    #[command(hide = true)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages.
    #[command(hide = true)]
    Man {
        /// Where to.
        directory: PathBuf,
    },
}

/// A yes or a no.
#[derive(Debug, clap::Args)]
pub(crate) struct Vote {
    /// The requests' ids, or their beginnings.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Why. It stands in the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

fn agent_name(text: &str) -> Result<String, String> {
    holdpoint_core::agent::check_name(text).map(|()| text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_name_is_plain() {
        for name in ["a", "9", "claude-code_1.2", &"x".repeat(64)] {
            assert!(agent_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "A", "a b", "a\x1b", "ä", &"x".repeat(65)] {
            assert!(agent_name(name).is_err(), "{name:?}");
        }
    }

    const DOCUMENTATION: &str = include_str!("../../../docs/cli.md");

    #[test]
    fn every_exit_code_is_in_the_documentation() {
        for line in EXIT_CODES.lines().filter_map(|line| line.strip_prefix("  ")) {
            let code = line.split_whitespace().next().unwrap();
            assert!(DOCUMENTATION.contains(&format!("| {code} |")), "{code} is not in docs/cli.md");
        }
    }

    /// The heading of a command, and what stands below it until the next one.
    fn section(name: &str) -> &'static str {
        let of_it = |section: &&str| {
            let heading = section.lines().next().unwrap_or_default();
            heading.match_indices(name).any(|(at, _)| {
                !heading[at + name.len()..].starts_with(|c: char| c == '-' || c.is_alphanumeric())
            })
        };
        DOCUMENTATION
            .split("\n### ")
            .find(of_it)
            .unwrap_or_else(|| panic!("'{name}' has no section in docs/cli.md"))
    }

    /// Checks a command and those below it.
    fn is_documented(name: &str, command: &clap::Command) {
        // Those for packagers are in one section.
        let section = if command.is_hide_set() { section("For packagers") } else { section(name) };
        assert!(section.contains(name), "{name}");
        for option in
            command.get_arguments().filter(|option| !option.is_global_set()).filter_map(clap::Arg::get_long)
        {
            assert!(
                section.contains(&format!("--{option}")),
                "--{option} of '{name}' is not in its section of docs/cli.md"
            );
        }
        for below in command.get_subcommands() {
            is_documented(&format!("{name} {}", below.get_name()), below);
        }
    }

    #[test]
    fn every_command_and_option_is_in_the_documentation() {
        let command = Arguments::command();
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(DOCUMENTATION.contains(&format!("--{option}")), "--{option}");
        }
        for below in command.get_subcommands() {
            is_documented(&format!("holdpoint {}", below.get_name()), below);
        }
    }
}
