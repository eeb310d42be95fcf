//! The daemon under test: installed where the documentation says, started as a child of the tests.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead as _, BufReader, Read},
    ops::{Deref, DerefMut},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use holdpoint_core::{
    id::HoldId,
    request::{Outcome, State, Verdict, VoteKind},
    wire::RequestView,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    agent::Agent,
    api::{Client, Watch},
    cli::{Said, run},
    maps, programs,
    wait::{PATIENCE, Shared, eventually},
};

pub(crate) const CONFIG: &str = "/etc/holdpoint/config.toml";
pub(crate) const POLICIES: &str = "/etc/holdpoint/policies.d";
pub(crate) const STATE: &str = "/var/lib/holdpoint";
pub(crate) const RUNTIME: &str = "/run/holdpoint";
const PINS: &str = "/sys/fs/bpf/holdpoint";

/// The configuration of the tests that need no other. Nobody logs in to the guest, and agents of tests do in a minute what
/// others do in a day.
pub(crate) const PLAIN_CONFIG: &str =
    "require_login_uid = false\nlimits = { agent_pending = 32768, agent_per_minute = 60000 }\n";

/// What the daemon last started has logged, for the report of a test that failed.
static LOG: Mutex<Option<Shared<Vec<String>>>> = Mutex::new(None);
/// The daemon that tests share which need a plain one.
static SHARED: Mutex<Option<Daemon>> = Mutex::new(None);

/// A daemon that enforces. When this goes, so does what it has stored, and its gate as well unless others may have that.
pub(crate) struct Daemon {
    process: Process,
    gate: Whose,
    /// Its requests, as they change.
    pub(crate) watch: Watch,
    client: Client,
    /// The holds of the requests that were voted on: the watch may yet show such a request as one that waits.
    voted: HashSet<HoldId>,
}

/// Who may have a gate that a test is done with. To attach and detach takes an emulated machine half a minute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The next test: its daemon adopts it.
    Anybodys,
    /// No other test: this one breaks it, or is about how it comes and goes.
    Own,
}

/// A daemon process, whether it gets as far as enforcing or not.
pub(crate) struct Process {
    child: Child,
    log: Shared<Vec<String>>,
}

/// A plain daemon which the next test goes on with, unless this one fails.
pub(crate) struct Lent(Option<Daemon>);

/// A daemon with the plain configuration and rules.
pub(crate) fn plain() -> Lent {
    let kept = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    Lent(Some(kept.unwrap_or_else(|| {
        lay_out(PLAIN_CONFIG, &[("50-tests.toml", programs::RULES)]);
        Daemon::on_any_gate()
    })))
}

/// Takes down what tests share, for one in which no daemon runs and nothing is pinned.
pub(crate) fn take_down_shared() {
    end_shared();
    if Path::new(PINS).exists() {
        take_down_gate();
    }
}

/// A daemon with its own configuration and rules. The gate may be the one of the test before, and the one of the next: whom
/// it declares as agents would be agents there, so that such a configuration is for [`with_own_gate`].
pub(crate) fn with(config: &str, rules: &[(&str, &str)]) -> Daemon {
    end_shared();
    lay_out(config, rules);
    Daemon::on_any_gate()
}

/// A daemon with its own configuration and rules, and a gate that no other test has.
pub(crate) fn with_own_gate(config: &str, rules: &[(&str, &str)]) -> Daemon {
    prepare(config, rules);
    Daemon::start()
}

fn end_shared() {
    SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
}

/// Lays out configuration, rules and directories as on a fresh host, without a gate.
pub(crate) fn prepare(config: &str, rules: &[(&str, &str)]) {
    take_down_shared();
    lay_out(config, rules);
}

fn lay_out(config: &str, rules: &[(&str, &str)]) {
    programs::install();
    if Path::new(PINS).exists() {
        // No daemon would know any more what it was about.
        maps::forget_execs();
    }
    for directory in [POLICIES, STATE, RUNTIME] {
        if Path::new(directory).exists() {
            fs::remove_dir_all(directory).unwrap();
        }
        fs::create_dir_all(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(STATE, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(CONFIG, config).unwrap();
    for (name, text) in rules {
        write_rules(name, text);
    }
}

pub(crate) fn write_rules(name: &str, text: &str) {
    fs::write(Path::new(POLICIES).join(name), text).unwrap();
}

/// The daemon. With `HOLDPOINT_E2E_WITHOUT` it is the one that leaves these protections out, to see that the tests of
/// them fail.
fn command() -> Command {
    match std::env::var("HOLDPOINT_E2E_WITHOUT") {
        Ok(protections) if !protections.is_empty() => without(&protections),
        _ => Command::new("holdpointd"),
    }
}

/// The daemon that leaves these protections out, and can do nothing else that the other cannot.
pub(crate) fn without(protections: &str) -> Command {
    let mut command = Command::new("./holdpointd-failpoints");
    command.env("HOLDPOINT_FAILPOINT_WITHOUT", protections);
    command
}

/// `holdpointd ARGUMENTS` to its end, where it is not to go on for ever.
pub(crate) fn holdpointd(arguments: &[&str]) -> Said {
    run(command().args(arguments))
}

pub(crate) fn take_down_gate() {
    let said = holdpointd(&["--take-down"]);
    assert_eq!(said.code, 0, "holdpointd --take-down: {}{}", said.output, said.errors);
    assert!(!Path::new(PINS).exists(), "something is still pinned");
}

/// What an inquiry into a failed test needs: the end of the daemon's log, and the processes as they are now.
pub(crate) fn last_words() -> String {
    let log = LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    let of_service = || super::service::journal().lines().map(str::to_owned).collect();
    let lines: Vec<String> = log.map_or_else(of_service, |log| log.look(Clone::clone));
    let tail = lines.iter().skip(lines.len().saturating_sub(8));
    let log = tail.fold("---- the daemon's log:".to_owned(), |text, line| text + "\n    " + line);
    // Without the kernel's own. The command line of a process whose memory is locked can be waited for in vain.
    let line = "timeout 10 ps -eLo pid,tid,ppid,pgid,stat,pending,caught,wchan:16,args | grep -v '\\]$' | tail -n 25";
    let processes = run(Command::new("sh").args(["-c", line]));
    format!("{log}\n---- the last processes:\n{}", processes.output)
}

impl Process {
    /// Starts `holdpointd`.
    pub(crate) fn start() -> Self {
        Self::start_by(&mut command())
    }

    /// Starts a daemon by a command that becomes it.
    pub(crate) fn start_by(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start holdpointd");
        let log = Shared::new(Vec::new());
        *LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(log.clone());
        let (stderr, lines) = (child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || collect(stderr, &lines));
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until the log says this, and returns the line.
    pub(crate) fn logged(&self, needle: &str) -> String {
        let find = |lines: &mut Vec<String>| lines.iter().find(|line| line.contains(needle)).cloned();
        self.log.wait(PATIENCE, find).unwrap_or_else(|| panic!("the daemon never logged '{needle}'"))
    }

    /// Waits until the log says this, or ends.
    pub(crate) fn logged_or_ended(&self, needle: &str) {
        let find = |line: &String| line.contains(needle) || line == END_OF_LOG;
        let found = self.log.wait(PATIENCE, |lines| lines.iter().any(find).then_some(()));
        assert!(found.is_some(), "the daemon neither logged '{needle}' nor ended");
    }

    pub(crate) fn log(&self) -> String {
        self.log.look(|lines| lines.join("\n"))
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let status = eventually("the daemon ends", || self.child.try_wait().unwrap());
        self.log
            .wait(Duration::from_secs(5), |lines| lines.iter().any(|line| line == END_OF_LOG).then_some(()));
        status
    }
}

/// What stands at the end of the log when the daemon has closed it.
const END_OF_LOG: &str = "(end of the log)";

fn collect(from: impl Read, into: &Shared<Vec<String>>) {
    for line in BufReader::new(from).lines() {
        let Ok(line) = line else { break };
        into.change(|lines| lines.push(line));
    }
    into.change(|lines| lines.push(END_OF_LOG.to_owned()));
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// Starts with what [`prepare`] laid out, or with what a daemon before has left, and waits until it enforces.
    pub(crate) fn start() -> Self {
        Self::start_by(&mut self::command())
    }

    /// The same by a command that becomes the daemon.
    pub(crate) fn start_by(command: &mut Command) -> Self {
        Self::on(Whose::Own, command)
    }

    fn on_any_gate() -> Self {
        Self::on(Whose::Anybodys, &mut self::command())
    }

    fn on(gate: Whose, command: &mut Command) -> Self {
        let (process, watch, client) = enforcing(command);
        Self { process, gate, watch, client, voted: HashSet::new() }
    }

    /// Ends the daemon as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.ended();
    }

    /// Ends the daemon as systemd would.
    pub(crate) fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        let status = self.process.ended();
        assert!(status.success(), "the daemon ends: {status}");
    }

    /// Starts another; what the one before has left is all there.
    pub(crate) fn start_again(&mut self) {
        drop(self.start_beside());
    }

    /// Starts another by a command that becomes it.
    pub(crate) fn start_again_by(&mut self, command: &mut Command) {
        let (process, watch, client) = enforcing(command);
        (self.process, self.watch, self.client) = (process, watch, client);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.process.ended()
    }

    /// Starts another, and leaves the one before, which was killed, as it is.
    pub(crate) fn start_beside(&mut self) -> Process {
        let (process, watch, client) = enforcing(&mut command());
        (self.watch, self.client) = (watch, client);
        std::mem::replace(&mut self.process, process)
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Waits for the agent's request: the one that is pending.
    pub(crate) fn request(&self, agent: &Agent) -> RequestView {
        self.requests(agent, 1).remove(0)
    }

    /// Waits for so many pending requests of the agent. What was voted on is not pending, also where word of that is yet
    /// to come.
    pub(crate) fn requests(&self, agent: &Agent, count: usize) -> Vec<RequestView> {
        self.watch.until(&format!("{count} requests of {}", agent.name()), |requests| {
            if let Some(end) = agent.output_if_ended() {
                let told = |view: &RequestView| format!("{} {:?} {:?}", view.id, view.state, view.note);
                panic!(
                    "the agent ended without a request: {end}; the last one: {:?}",
                    requests.last().map(told)
                );
            }
            let waits = |view: &&RequestView| {
                is_of(view, agent) && view.state == State::Pending && !self.voted.contains(&view.hold)
            };
            let mine: Vec<_> = requests.iter().filter(waits).cloned().collect();
            (mine.len() >= count).then_some(mine)
        })
    }

    /// How many requests the agent ever made, those that rules decided included, as far as the daemon has told.
    pub(crate) fn count(&self, agent: &Agent) -> usize {
        self.watch.look(|requests| requests.iter().filter(|view| is_of(view, agent)).count())
    }

    pub(crate) fn approve(&mut self, request: &RequestView) {
        self.vote(request, VoteKind::Approve);
    }

    pub(crate) fn deny(&mut self, request: &RequestView) {
        self.vote(request, VoteKind::Deny);
    }

    fn vote(&mut self, request: &RequestView, vote: VoteKind) {
        let result = self.client.vote(request.id.as_str(), vote);
        result.unwrap_or_else(|problem| panic!("vote on {}: {problem:?}", request.id));
        self.voted.insert(request.hold);
    }

    /// Waits until the request has ended, and says how.
    pub(crate) fn end_of(&self, request: &RequestView) -> (Verdict, Outcome) {
        self.watch.until(&format!("request {} ends", request.id), |requests| {
            match requests.iter().find(|view| view.hold == request.hold)?.state {
                State::Ended { verdict, outcome } => Some((verdict, outcome)),
                _ => None,
            }
        })
    }
}

/// Whether the request is the agent's.
pub(crate) fn is_of(view: &RequestView, agent: &Agent) -> bool {
    view.facts.as_ref().is_some_and(|facts| facts.agent.name == agent.name())
}

/// A daemon that enforces, with two connections to it.
fn enforcing(command: &mut Command) -> (Process, Watch, Client) {
    let mut process = Process::start_by(command);
    let enforcing = process.log.wait(PATIENCE, |lines| {
        let ended = lines.iter().any(|line| line == END_OF_LOG);
        lines.iter().any(|line| line.contains("enforcing")).then_some(true).or(ended.then_some(false))
    });
    if enforcing != Some(true) {
        panic!("the daemon does not enforce: {:?}", process.child.try_wait());
    }
    (process, Watch::begin(), Client::connect())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A daemon that was stopped has to go on to end.
        let _ = kill(self.process.pid(), Signal::SIGKILL);
        let _ = self.process.child.wait();
        let is_kept = self.gate == Whose::Anybodys && !thread::panicking();
        if !is_kept && Path::new(PINS).exists() {
            let said = holdpointd(&["--take-down"]);
            if said.code != 0 {
                eprintln!("cannot take the gate down: {}", said.errors);
            }
        }
    }
}

impl Deref for Lent {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        self.0.as_ref().unwrap()
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Daemon {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !thread::panicking() {
            *SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = self.0.take();
        }
    }
}
