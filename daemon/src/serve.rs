//! From a checked host to a daemon that serves: opens everything in order, and waits for signals.
#![forbid(unsafe_code)]

use std::{
    fs,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use holdpoint_core::config::Config;
use nix::{
    fcntl::{OFlag, open},
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        stat::Mode,
    },
    unistd::Group,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::{
    api::{self, Access, Desk as _, Door},
    engine::{self, EngineHandle, Parts},
    kernel::{self, Pins},
    observe, rules,
    service::Manager,
    store::Store,
    sys::{clock, memory},
    watch,
};

/// Anybody may ask to be tagged; being tagged takes rights away and gives none.
const AGENT_SOCKET_MODE: u32 = 0o666;
/// Root and the approvers' group.
const CONTROL_SOCKET_MODE: u32 = 0o660;

/// Runs until SIGTERM or SIGINT. The gate stays shut after it.
pub(crate) async fn serve(config: Config, config_path: &Path) -> anyhow::Result<()> {
    raise_descriptor_limit();
    let manager = Arc::new(Manager::from_environment());
    // What can be wrong with files is found out before the kernel is touched.
    let store = Store::open(&config.state_directory)?;
    let config = Arc::new(config);
    let rules = rules::load(&config).context("the rules are wrong")?;
    for warning in rules.told_warnings() {
        warn!("{warning}");
    }
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("cannot read the boot id")?;
    let control_path = config.runtime_directory.join("control.sock");
    let group = Group::from_name(&config.approver_group).ok().flatten();
    if group.is_none() {
        warn!("group '{}' does not exist: only root may decide", config.approver_group);
    }
    let control = api::bind(&control_path, CONTROL_SOCKET_MODE, group.map(|group| group.gid.as_raw()))?;
    let agents = api::bind(&config.runtime_directory.join("agent.sock"), AGENT_SOCKET_MODE, None)?;

    let pins = Pins::standard();
    let had_gate = pins.exist();
    let mut gate = kernel::open(&pins, &config.bpf_object)?;
    memory::give_back();
    let tags = gate.tags().clone();
    let access = Access {
        group: Some(config.approver_group.clone()),
        require_login_uid: config.require_login_uid,
        is_agent: Arc::new(move |pid| tags.is_agent(pid)),
        now: Arc::new(clock::boot),
    };
    let boot_id = boot_id.trim().to_owned();
    let started = socket_key(&control_path).and_then(|key| {
        gate.set_meta(|meta| meta.control_socket = key)?;
        Ok(engine::start(Parts {
            config_path: config_path.into(),
            gate,
            guarded: guarded_beside(config_path),
            store,
            rules,
            boot_id,
            manager: Arc::clone(&manager),
        })?)
    });
    if started.is_err() && !had_gate {
        // A gate that only this start has shut would hold with nobody to decide.
        kernel::remove(&pins)?;
    }
    let desk = started?;
    let doors = [
        tokio::spawn(api::serve(control, Door::Control, desk.clone(), access.clone())),
        tokio::spawn(api::serve(agents, Door::Agent, desk.clone(), access)),
    ];
    let watcher = tokio::spawn(watch::run(desk.clone()));
    // The engine answers itself: its loop turns, and the programs are attached.
    match desk.status().await {
        Ok(status) if status.enforcing => {}
        Ok(_) => {
            bail!("the programs are not attached, though they were loaded just now: somebody takes them away")
        }
        Err(problem) => bail!("the engine does not begin: {}", problem.detail),
    }
    info!("enforcing: listed execs of agents are held");
    wait_for_the_end(&desk, &manager).await?;
    manager.stopping();
    watcher.abort();
    for door in doors {
        door.abort();
    }
    desk.stop().await;
    if pins.exist() {
        info!("stopped; the gate stays shut, and what is held stays held");
    } else {
        error!("stopped, and the gate is open: nothing is pinned under /sys/fs/bpf/holdpoint any more");
    }
    Ok(())
}

async fn wait_for_the_end(desk: &EngineHandle, manager: &Manager) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("cannot wait for signals");
    let mut hangup = listen(SignalKind::hangup())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    // Only now: systemd may send a signal at once, and without a listener it would end the daemon.
    manager.ready();
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                manager.reloading();
                match desk.reload().await {
                    Ok(reloaded) => reloaded.warnings.iter().for_each(|warning| warn!("{warning}")),
                    Err(problem) => {
                        error!("cannot reload, what was in force stays so: {}", problem.detail);
                    }
                }
                manager.ready();
            }
            () = desk.ended() => bail!("the engine has ended by itself; the gate stays shut, and a restart takes over"),
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// What agents keep their hands off, beside what the configuration names: itself, and this program.
fn guarded_beside(config_file: &Path) -> Vec<PathBuf> {
    let standard = [PathBuf::from("/etc/holdpoint"), config_file.to_owned()];
    standard.into_iter().chain(std::env::current_exe().ok()).collect()
}

/// The identity of a socket's file, by which the kernel half knows it.
fn socket_key(path: &Path) -> anyhow::Result<holdpoint_abi::FileKey> {
    let failed = || format!("cannot identify the socket '{}'", path.display());
    let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).with_context(failed)?;
    observe::key_of(file.as_fd(), "/proc/self/mountinfo").with_context(failed)
}

/// Readers and connections need descriptors; the usual 1,024 are few for a thousand held at once.
fn raise_descriptor_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Err(cause) = setrlimit(Resource::RLIMIT_NOFILE, most, most)
    {
        warn!(%cause, "cannot raise the limit of open files");
    }
}
