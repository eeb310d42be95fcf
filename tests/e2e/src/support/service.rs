//! The daemon as an operator has it: from the package, under systemd.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    sync::{Mutex, Once},
};

use holdpoint_core::{
    request::VoteKind,
    wire::{RequestView, Status},
};

use super::{
    agent::Agent,
    api::Client,
    cli::{Said, run, shell},
    daemon, programs,
    wait::eventually,
};

pub(crate) const UNIT: &str = "holdpointd.service";
/// Where `xtask` lays the package.
const PACKAGE: &str = "/root/run/holdpoint.deb";
/// What an administrator would change about the unit.
const DROP_IN: &str = "/etc/systemd/system/holdpointd.service.d/50-tests.conf";

/// All files of the guest before the first installation.
static BEFORE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Installs the package, or the same one once more.
pub(crate) fn install() -> Said {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        programs::install();
        *BEFORE.lock().unwrap() = files();
    });
    run(Command::new("dpkg").args(["--install", PACKAGE]))
}

/// Installs a later version, whose eBPF object is another one: what stands behind the end of an ELF file means nothing.
/// The package is not compressed, which takes an emulated machine minutes.
pub(crate) fn upgrade() -> Said {
    let unpacked = "/tmp/hp-package";
    shell(&format!(
        "dpkg-deb --raw-extract {PACKAGE} {unpacked} && \
         echo another >>{unpacked}/usr/lib/holdpoint/holdpoint.bpf.o && \
         sed --in-place 's/^Version: .*/&+1/' {unpacked}/DEBIAN/control && \
         dpkg-deb -Znone --build {unpacked} {unpacked}.deb"
    ));
    run(Command::new("dpkg").args(["--install", &format!("{unpacked}.deb")]))
}

/// The service with the rules of the tests, as it is after an installation.
pub(crate) fn with_rules() {
    if !Path::new("/usr/sbin/holdpointd").exists() {
        let said = install();
        assert_eq!(said.code, 0, "{said:?}");
    }
    if fs::read_to_string(daemon::CONFIG).is_ok_and(|config| config == daemon::PLAIN_CONFIG) {
        systemctl(&["start", UNIT]);
    } else {
        fs::write(daemon::CONFIG, daemon::PLAIN_CONFIG).unwrap();
        daemon::write_rules("50-tests.toml", programs::RULES);
        systemctl(&["restart", UNIT]);
    }
}

/// Has systemd lose patience with the daemon sooner than an operator would want.
pub(crate) fn with_impatient_watchdog() {
    with_rules();
    fs::create_dir_all(Path::new(DROP_IN).parent().unwrap()).unwrap();
    fs::write(DROP_IN, "[Service]\nWatchdogSec=10\n").unwrap();
    systemctl(&["daemon-reload"]);
    systemctl(&["restart", UNIT]);
}

/// Takes that back.
pub(crate) fn with_usual_watchdog() {
    fs::remove_dir_all(Path::new(DROP_IN).parent().unwrap()).unwrap();
    systemctl(&["daemon-reload"]);
    systemctl(&["restart", UNIT]);
}

pub(crate) fn systemctl(arguments: &[&str]) {
    let said = run(Command::new("systemctl").args(arguments));
    assert_eq!(said.code, 0, "systemctl {arguments:?}: {said:?}; {}", journal());
}

/// What systemd says of the unit.
pub(crate) fn property(name: &str) -> String {
    shell(&format!("systemctl show --property={name} --value {UNIT}")).trim().to_owned()
}

/// Waits until the status line is as wanted.
pub(crate) fn status_line(what: &str, wanted: impl Fn(&str) -> bool) {
    eventually(what, || wanted(&property("StatusText")).then_some(()));
}

/// The daemon's process, once systemd has started another than this one.
pub(crate) fn successor_of(pid: &str) -> String {
    eventually("systemd starts the daemon again", || {
        let now = property("MainPID");
        (now != pid && now != "0" && property("ActiveState") == "active").then_some(now)
    })
}

pub(crate) fn status() -> Status {
    Client::connect().status()
}

/// Waits for the agent's request that is pending.
pub(crate) fn request(agent: &Agent) -> RequestView {
    eventually("a request is made", || {
        let pending = Client::connect().pending();
        pending.into_iter().find(|view| daemon::is_of(view, agent))
    })
}

pub(crate) fn approve(request: &RequestView) {
    let result = Client::connect().vote(request.id.as_str(), VoteKind::Approve);
    result.unwrap_or_else(|problem| panic!("approve {}: {problem:?}", request.id));
}

/// The end of the service's log.
pub(crate) fn journal() -> String {
    run(Command::new("journalctl").args(["--no-pager", "--lines=12", "--output=cat", "--unit", UNIT])).output
}

/// Files that were not there before the package was. What dpkg keeps about every package is not the package's.
pub(crate) fn left_behind() -> Vec<String> {
    let before = BEFORE.lock().unwrap();
    let dpkgs = ["/var/lib/dpkg/", "/var/log/dpkg.log", "/var/cache/debconf/"];
    let is_dpkgs = |file: &&String| dpkgs.iter().any(|prefix| file.starts_with(prefix));
    files().difference(&before).filter(|file| !is_dpkgs(file)).cloned().collect()
}

/// All files but those of the tests themselves; of what lies in memory, those that could be holdpoint's.
fn files() -> BTreeSet<String> {
    let disk = "find / -xdev \\( -path /tmp -o -path /root -o -path /opt -o -path /home \\) -prune -o -print";
    let memory = "find /run /sys/fs/bpf -iname '*holdpoint*' -not -name '*holdpoint-vm*'";
    shell(&format!("{disk}; {memory}")).lines().map(str::to_owned).collect()
}
