//! The catalogue's ways to a listed program, by an ordinary user and by root in a container: none runs unasked.
//!
//! docs/bypass-catalogue.md says which line of it each is.

use std::{fs, thread};

use holdpoint_core::{
    request::{Outcome, Verdict, VoteKind},
    wire::{Counter, RequestList},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::{Said, User, run, shell},
        daemon::{self, Daemon},
        programs::{self, DYNAMIC_ELF, STATIC_ELF},
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 600:
    by_whatever_path_it_is_called_it_is_asked_about,
    behind_whatever_wrapper_it_is_asked_about,
    whatever_interpreter_executes_it_it_is_asked_about,
    by_whatever_system_call_it_is_asked_about,
    wherever_it_is_started_from_it_is_asked_about,
    no_copy_of_it_is_made_or_run,
    a_file_that_was_deleted_is_asked_about,
    a_file_that_is_replaced_while_it_is_held_is_asked_about_anew,
    a_number_that_is_used_again_is_asked_about_again,
    what_runs_is_not_executed_again_through_proc,
    arguments_of_six_megabytes_do_not_run,
    a_storm_of_stops_and_continues_lets_nothing_run,
];

/// Where an attack is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As the agents' user.
    User,
    /// As root in a user, mount and pid namespace whose root is an overlay over the host's.
    Container,
}

/// What runs `$1` in such a container.
const CONTAINER: &str = "exec unshare --user --map-root-user --mount --pid --fork sh -c '\
    mount -t tmpfs none /mnt && cd /mnt && mkdir upper work merged && \
    mount -t overlay overlay -o userxattr,lowerdir=/run/hp-image,upperdir=/mnt/upper,workdir=/mnt/work merged && \
    mount -t proc proc merged/proc && mount --rbind /dev merged/dev && \
    mount -t tmpfs none merged/tmp && cd merged && pivot_root . tmp && cd / && umount -l /tmp && \
    exec sh -c \"cd /tmp; $1\"' sh \"$1\"";

/// What the container's root lies over: the host's root alone, without what is mounted in it, which a user namespace could not
/// look beneath.
struct Image;

impl Image {
    fn lay() -> Self {
        shell("mkdir -p /run/hp-image && mount --bind / /run/hp-image");
        Self
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        shell("umount --lazy /run/hp-image");
    }
}

/// Both places, for what works in either.
const BOTH: &[Place] = &[Place::User, Place::Container];

impl Place {
    fn command(self, line: &str) -> [&str; 5] {
        match self {
            Self::User => ["sh", "-c", "eval \"$1\"", "sh", line],
            Self::Container => ["sh", "-c", CONTAINER, "sh", line],
        }
    }
}

/// Shows for each line that it runs the program unguarded, and that an agent makes a request by it, without which it does not
/// run. By a user it runs when it is approved. In the lines `{}` is the program.
///
/// Where something about it cannot be looked at, the request is refused before people see it. In a container, where the
/// agent can mount over any file, it always is, and the record says so; there the kernel half may refuse it without one.
fn is_asked_about(places: &[Place], lines: &[&str]) {
    let mut daemon = daemon::plain();
    let _image = Image::lay();
    for (place, line) in places.iter().flat_map(|place| lines.iter().map(move |line| (*place, line))) {
        let line = line.replace("{}", STATIC_ELF);
        let command = place.command(&line);
        runs_unguarded(User::Agent, &command);
        let tried = decided(&mut daemon, User::Agent, &command, VoteKind::Deny);
        assert_eq!(Snapshot::all_reported(&tried.said.output), [], "{place:?}: {line}: it ran: {tried:?}");
        if place == Place::Container {
            // Why, the record says, unless the file could not be found out at all.
            let is_why = |note: &String| note.contains("agent's own making") || note.contains("cannot read");
            assert!(tried.votes == 0 && tried.notes.iter().all(is_why), "{line}: {tried:?}");
            continue;
        }
        assert!(!tried.notes.is_empty(), "{line}: no request: {tried:?}");
        if tried.votes > 0 {
            let tried = decided(&mut daemon, User::Agent, &command, VoteKind::Approve);
            assert_eq!(Snapshot::all_reported(&tried.said.output).len(), 1, "approved: {line}: {tried:?}");
        }
    }
}

/// Shows for each line that it runs the program unguarded, and that to an agent it is refused or denied.
fn does_not_run(daemon: &mut Daemon, places: &[Place], user: User, lines: &[&str]) {
    let _image = Image::lay();
    for (place, line) in places.iter().flat_map(|place| lines.iter().map(move |line| (*place, line))) {
        let line = line.replace("{}", DYNAMIC_ELF);
        let command = place.command(&line);
        runs_unguarded(user, &command);
        let before = refusals(daemon);
        let tried = decided(daemon, user, &command, VoteKind::Deny);
        assert_eq!(Snapshot::all_reported(&tried.said.output), [], "{place:?}: {line}: it ran: {tried:?}");
        let stopped = !tried.notes.is_empty() || refusals(daemon) > before;
        assert!(stopped, "{place:?}: {line}: nothing stopped it: {tried:?}");
    }
}

fn runs_unguarded(user: User, command: &[&str]) {
    let said = Agent::unguarded(user, command);
    assert_eq!(Snapshot::all_reported(&said.output).len(), 1, "unguarded: {command:?}: {said:?}");
}

/// What came of an attack.
#[derive(Debug)]
struct Tried {
    said: Said,
    /// Votes that counted.
    votes: usize,
    /// What the record says of each request that it made, those included that were refused at once.
    notes: Vec<String>,
}

/// Runs it as an agent, and decides whatever it asks.
fn decided(daemon: &mut Daemon, user: User, command: &[&str], vote: VoteKind) -> Tried {
    let before = all_notes(daemon).len();
    let mut agent = Agent::start_as(user, command);
    let mut votes = 0;
    eventually("the agent ends", || {
        for request in daemon.client().pending() {
            // It may have ended since.
            votes += usize::from(daemon.client().vote(request.id.as_str(), vote).is_ok());
        }
        agent.output_if_ended()
    });
    Tried { said: agent.end(), votes, notes: all_notes(daemon).split_off(before) }
}

/// The notes of all requests that there ever were, the oldest first. Of some nothing could be found out.
fn all_notes(daemon: &mut Daemon) -> Vec<String> {
    let mut all = daemon.client().get::<RequestList>("/v1/requests?state=all&limit=10000").requests;
    all.sort_by_key(|request| request.made_at);
    all.into_iter().map(|request| request.note.unwrap_or_default()).collect()
}

/// How much was refused to agents, by whatever protection.
fn refusals(daemon: &mut Daemon) -> u64 {
    let counts = |counter: &Counter| counter.name.contains("refused");
    daemon
        .client()
        .status()
        .counters
        .iter()
        .filter(|counter| counts(counter))
        .map(|counter| counter.count)
        .sum()
}

fn by_whatever_path_it_is_called_it_is_asked_about() {
    // Deeper than a path can be long: no path leads there that the kernel would print.
    let deep = "python3 -c 'import os\n\
                for n in range(25): os.mkdir(\"d\" * 200); os.chdir(\"d\" * 200)\n\
                os.system(\"cp /usr/local/bin/unlisted hp-static\")\n\
                os.execv(\"./hp-static\", [\"hp-static\", \"7\"])'";
    is_asked_about(
        BOTH,
        &[
            // In a directory where anybody may make links the daemon does not follow them.
            "ln -sf {} linked-$$; ./linked-$$ 7",
            "mkdir own-$$ && ln -s {} own-$$/linked && own-$$/linked 7",
            "cd /usr/local && ./bin/../bin/hp-static 7",
            "//usr//./local/bin/hp-static 7",
            "/proc/self/root{} 7",
            "/proc/self/cwd/..{} 7",
            "holdpoint-test-agent exec-by-fd {} 7",
            "holdpoint-test-agent exec-by-proc-fd {} 7",
            &format!("mkdir deep-$$ && cd deep-$$ && {deep}"),
        ],
    );
    is_asked_about(
        &[Place::Container],
        &[
            "touch other && mount --bind {} other && ./other 7",
            "mkdir bin && mount --bind /usr/local/bin bin && ./bin/hp-static 7",
            "chroot / {} 7",
        ],
    );
}

fn behind_whatever_wrapper_it_is_asked_about() {
    is_asked_about(
        BOTH,
        &[
            "env -i {} 7",
            "env -S '{} 7'",
            "nice -n 5 {} 7",
            "timeout 100 {} 7",
            "setarch x86_64 --addr-no-randomize {} 7",
            "nohup {} 7",
            "setsid --wait {} 7",
            "taskset 1 {} 7",
            "ionice -c 3 {} 7",
            "prlimit --nofile=64 {} 7",
            "setpriv --no-new-privs {} 7",
            "flock lock-$$ {} 7",
            "script -qec '{} 7' /dev/null",
            "busybox sh -c '{} 7; true'",
            "unshare --user --map-root-user {} 7",
        ],
    );
    is_asked_about(
        &[Place::Container],
        &["unshare --mount {} 7", "nsenter --mount=/proc/self/ns/mnt {} 7", "chroot /proc/self/root {} 7"],
    );
}

fn whatever_interpreter_executes_it_it_is_asked_about() {
    is_asked_about(
        BOTH,
        &[
            "python3 -c 'import os; os.execv(\"{}\", [\"hp-static\", \"7\"])'",
            "python3 -c 'import subprocess; subprocess.call([\"{}\", \"7\"])'",
            "perl -e 'exec \"{}\", \"7\"'",
            "awk 'BEGIN { system(\"{} 7\") }'",
            "find /etc/hostname -exec {} 7 ';'",
            "echo 7 | xargs {}",
            "sed '1e {} 7' /etc/hostname",
            "tar -C /etc -cf - hostname | tar -xf - --to-command='{} 7'",
            "printf 'all:\\n\\t@{} 0\\n' | make -s -f -",
            "printf '#!{}\\n' >named-$$ && chmod 755 named-$$ && ./named-$$ 7",
        ],
    );
}

fn by_whatever_system_call_it_is_asked_about() {
    is_asked_about(
        BOTH,
        &[
            "holdpoint-test-agent vfork {} 7",
            "holdpoint-test-agent posix-spawn {} 7",
            "holdpoint-test-agent clone3 {} 7",
            "holdpoint-test-agent exec-from-thread {} 7",
            "holdpoint-test-agent exec-by-int80 {} 7",
        ],
    );
    // The stock kernels know no programs of x32. One that does gives the call a number that the daemon does not take for an
    // exec, and refuses.
    let said = Agent::unguarded(User::Agent, &["holdpoint-test-agent", "exec-by-x32", STATIC_ELF, "7"]);
    assert_eq!(said.output, "errno=38\n", "this kernel knows x32: try it guarded");
}

fn wherever_it_is_started_from_it_is_asked_about() {
    // A container ends with its first process.
    is_asked_about(&[Place::User], &["(setsid sh -c '(sh -c \"{} 7; true\" &)' </dev/null &) ; exit 0"]);
    is_asked_about(
        BOTH,
        &["unshare --user --map-root-user --cgroup {} 7", "unshare --user --map-root-user --pid --fork {} 7"],
    );
}

fn no_copy_of_it_is_made_or_run() {
    does_not_run(
        &mut daemon::plain(),
        BOTH,
        User::Agent,
        &[
            "/lib64/ld-linux-x86-64.so.2 {} 7",
            "cp /lib64/ld-linux-x86-64.so.2 loader-$$; ./loader-$$ {} 7",
            "cp {} /dev/shm/copy-$$; /dev/shm/copy-$$ 7; rm -f /dev/shm/copy-$$",
            "cat {} >copy-$$; chmod 755 copy-$$; ./copy-$$ 7; rm -f copy-$$",
            "holdpoint-test-agent exec-from-memory {} 7",
        ],
    );
}

fn a_file_that_was_deleted_is_asked_about() {
    let path = "/opt/holdpoint-tests/deleted/hp-static";
    let place = || {
        fs::create_dir_all("/opt/holdpoint-tests/deleted").unwrap();
        programs::put_static_copy(path);
    };
    let command = ["holdpoint-test-agent", "exec-by-fd-when-told", path, "7"];
    let delete = |agent: &mut Agent| {
        agent.said("ready");
        fs::remove_file(path).unwrap();
        agent.say("go");
    };
    programs::install();
    place();
    let mut unguarded = Agent::start_plain(User::Agent, "unguarded", &command);
    delete(&mut unguarded);
    assert_eq!(Snapshot::all_reported(&unguarded.end().output).len(), 1, "unguarded");
    let mut daemon = daemon::plain();
    for vote in [VoteKind::Deny, VoteKind::Approve] {
        place();
        let mut agent = Agent::start(&command);
        delete(&mut agent);
        let request = daemon.request(&agent);
        match vote {
            VoteKind::Deny => daemon.deny(&request),
            VoteKind::Approve => daemon.approve(&request),
        }
        let said = agent.end();
        let runs = usize::from(vote == VoteKind::Approve);
        assert_eq!(Snapshot::all_reported(&said.output).len(), runs, "{said:?}");
    }
}

fn a_file_that_is_replaced_while_it_is_held_is_asked_about_anew() {
    programs::install();
    let path = "/opt/holdpoint-tests/replaced/hp-static";
    fs::create_dir_all("/opt/holdpoint-tests/replaced").unwrap();
    programs::put_static_copy(path);
    let line = format!("{path} 7; echo \"status $?\"");
    runs_unguarded(User::Agent, &["sh", "-c", &line]);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", &line]);
    let first = daemon.request(&agent);
    // Not by the agent, to whom it is refused.
    programs::put_static_copy("/opt/holdpoint-tests/replaced/new");
    fs::rename("/opt/holdpoint-tests/replaced/new", path).unwrap();
    daemon.approve(&first);
    let second = daemon.request(&agent);
    assert_ne!(second.hold, first.hold);
    assert_eq!(daemon.end_of(&first), (Verdict::Approved, Outcome::NeverRan));
    daemon.deny(&second);
    let said = agent.end();
    assert!(said.output.contains("Operation not permitted\nstatus 126"), "{said:?}");
    assert_eq!(
        Snapshot::all_reported(&said.output),
        [],
        "an approval of the old file was used for the new one"
    );
}

fn a_number_that_is_used_again_is_asked_about_again() {
    programs::install();
    let mut daemon = daemon::plain();
    let mut again = None;
    // Somebody else may get the number: then once more.
    for _ in 0..20 {
        let mut first = Agent::start_as(User::Root, &["sh", "-c", "hp-static 7; echo \"status $?\""]);
        let request = daemon.request(&first);
        let pid = request.facts.as_ref().unwrap().pid;
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
        assert!(first.end().output.contains("status 137"));
        // Where the kernel looks for the next number.
        let line = format!("echo {} >/proc/sys/kernel/ns_last_pid; hp-static 7; echo \"status $?\"", pid - 1);
        let second = Agent::start_as(User::Root, &["sh", "-c", &line]);
        let anew = daemon.request(&second);
        if anew.facts.as_ref().unwrap().pid == pid {
            again = Some((request, second, anew));
            break;
        }
    }
    let (request, mut second, anew) = again.expect("the number is used again");
    assert_ne!(request.hold, anew.hold);
    let late = daemon.client().vote(request.id.as_str(), VoteKind::Approve);
    assert_eq!(late.unwrap_err().kind, "urn:holdpoint:problem:already-decided");
    daemon.deny(&anew);
    let said = second.end();
    assert!(said.output.contains("status 126"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), []);
}

fn what_runs_is_not_executed_again_through_proc() {
    let mut daemon = daemon::plain();
    let mut running = Agent::start(&["sh", "-c", "exec hp-dynamic --wait 0"]);
    let request = daemon.request(&running);
    daemon.approve(&request);
    running.said("{\"pid\"");
    let pid = request.facts.unwrap().pid;
    // The first of its mappings is that of the program.
    let lines = [
        format!("/proc/{pid}/exe 7"),
        format!("/proc/{pid}/map_files/$(ls /proc/{pid}/map_files | head -n 1) 7"),
    ];
    does_not_run(&mut daemon, &[Place::User], User::Root, &lines.each_ref().map(String::as_str));
    running.end();
}

fn arguments_of_six_megabytes_do_not_run() {
    // As many as the kernel takes.
    let line = format!(
        "ulimit -s unlimited; holdpoint-test-agent exec-large 131000 45 {DYNAMIC_ELF}; echo \"status $?\""
    );
    let command = ["sh", "-c", &line];
    runs_unguarded(User::Root, &command);
    let daemon = daemon::plain();
    let before = daemon.watch.look(<[_]>::len);
    let said = Agent::start_as(User::Root, &command).end();
    assert!(said.output.contains("errno=1\nstatus 100"), "{said:?}");
    let note = daemon.watch.until("the record of the refusal", |requests| {
        requests.iter().skip(before).find(|view| view.ended_at.is_some())?.note.clone()
    });
    assert!(note.contains("the arguments exceed"), "{note}");
}

fn a_storm_of_stops_and_continues_lets_nothing_run() {
    let command = ["sh", "-c", "hp-static 7; echo \"status $?\""];
    runs_unguarded(User::Agent, &command);
    let mut daemon = daemon::plain();
    for (vote, status, runs, end) in [
        (VoteKind::Deny, "Operation not permitted\nstatus 126", 0, (Verdict::Denied, Outcome::Refused)),
        (VoteKind::Approve, "status 7", 1, (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) })),
    ] {
        let mut agent = Agent::start(&command);
        let request = daemon.request(&agent);
        let pid = request.facts.as_ref().unwrap().pid.to_string();
        let stir = move || run(User::Agent.command("holdpoint-test-agent", None).args(["stir", &pid, "500"]));
        let storm = thread::spawn(stir);
        match vote {
            VoteKind::Deny => daemon.deny(&request),
            VoteKind::Approve => daemon.approve(&request),
        }
        let said = agent.end();
        let storm = storm.join().unwrap();
        // All sent, or until the process was gone (ESRCH).
        assert!(storm.output.contains("stirred 500") || storm.output.contains("errno=3"), "{storm:?}");
        assert!(said.output.contains(status), "{said:?}");
        assert_eq!(Snapshot::all_reported(&said.output).len(), runs, "{said:?}");
        assert_eq!(daemon.end_of(&request), end);
        assert_eq!(daemon.count(&agent), 1, "asked more than once");
    }
}
