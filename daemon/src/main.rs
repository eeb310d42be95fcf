//! `holdpointd`: holds execs of AI agents until a person decides.

mod agents;
mod api;
mod canary;
mod engine;
mod failpoint;
mod kernel;
mod observe;
mod preflight;
mod rules;
mod scope;
mod serve;
mod service;
mod store;
mod sys;
mod take_down;
mod watch;

use std::{
    io::{IsTerminal, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use holdpoint_core::{config::Config, policy::SourceFile};

/// Holds execs of AI agents until a person decides.
///
/// Runs as a service. People use it through 'holdpoint'.
#[derive(Debug, Parser)]
#[command(name = "holdpointd", version)]
struct Arguments {
    /// The configuration file; one that is not there is as good as an empty one.
    #[arg(long, value_name = "FILE", default_value = "/etc/holdpoint/config.toml")]
    config: PathBuf,
    /// Look whether this host has all that is needed, print it, and exit: 0 where it has.
    #[arg(long, conflicts_with = "take_down")]
    check: bool,
    /// With --check: print JSON.
    #[arg(long, requires = "check")]
    json: bool,
    /// Take the gate down: deny what is held, and hold nothing any more. Agents from before stay free, also after
    /// the daemon is started again: their tags are gone.
    #[arg(long)]
    take_down: bool,
    /// What the daemon itself starts to try the gate.
    #[arg(long, hide = true, value_name = "PATH", exclusive = true)]
    canary: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(path) = &arguments.canary {
        return canary::become_canary(path);
    }
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOLDPOINT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let color = std::io::stderr().is_terminal();
    // The journal has its own clock; on a terminal the order says enough.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        .without_time()
        .init();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            // Stays on show in 'systemctl status' until the next start comes further.
            service::Manager::from_environment().status(&format!("PROBLEM: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    if arguments.take_down {
        take_down::take_down(&config)?;
        tracing::warn!("the gate is down: execs of agents are not held any more");
        return Ok(ExitCode::SUCCESS);
    }
    let checks = preflight::run(&config);
    let passed = checks.iter().all(preflight::Check::passed);
    if arguments.check {
        let text = if arguments.json {
            serde_json::to_string_pretty(&checks).context("cannot write the checks as JSON")?
        } else {
            checks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        writeln!(std::io::stdout(), "{text}").context("cannot print the checks")?;
        return Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !passed {
        for check in checks.iter().filter(|check| !check.passed()) {
            tracing::error!("{check}");
        }
        let gate = if kernel::Pins::standard().exist() {
            "the gate that is pinned stays shut, and what is held waits"
        } else {
            "nothing was loaded, and no exec is held"
        };
        bail!("this host lacks what is named above: {gate}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve::serve(config, &arguments.config))?;
    // Readers that are stuck in an agent's file system are left to the kernel.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

fn read_config(path: &PathBuf) -> anyhow::Result<Config> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(cause) => bail!("cannot read '{}': {cause}", path.display()),
    };
    let file = SourceFile { name: path.display().to_string(), text };
    let show = |diagnostics: &[holdpoint_core::diagnostic::Diagnostic]| {
        diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
    };
    let (config, warnings) = holdpoint_core::config::parse(&file)
        .map_err(|errors| anyhow!("the configuration is wrong\n{}", show(&errors)))?;
    if !warnings.is_empty() {
        tracing::warn!("{}", show(&warnings));
    }
    Ok(config)
}
