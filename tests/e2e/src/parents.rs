//! Who calls execve: whatever stands between an agent and the held program, it sees the exec succeed in the
//! same process after an approval, and fail with EPERM after a denial.

use holdpoint_core::request::{Outcome, State, Verdict, VoteKind};

use crate::{
    runner::{Test, tests},
    support::{
        agent::Agent,
        cli::User,
        daemon,
        programs::{self, DYNAMIC_ELF, SCRIPT, SCRIPT_OF_SCRIPT, STATIC_ELF},
        snapshot::Snapshot,
        wait::eventually,
    },
};

pub(crate) const TESTS: &[Test] = tests![Normal, 120:
    a_static_elf_is_held_and_goes_on_as_the_same_process,
    a_dynamic_elf_is_held_and_goes_on_as_the_same_process,
    a_script_is_held_and_goes_on_as_the_same_process,
    a_script_of_a_script_is_held_and_goes_on_as_the_same_process,
    kubectl_is_held_and_goes_on,
    sh_sees_what_it_expects,
    bash_sees_what_it_expects,
    a_python_subprocess_sees_what_it_expects,
    a_caller_of_vfork_sees_what_it_expects,
    a_caller_of_posix_spawn_sees_what_it_expects,
    a_thread_that_is_not_the_leader_becomes_the_program,
    sudo_without_a_terminal_sees_what_it_expects,
    sudo_with_a_terminal_of_its_own_sees_what_it_expects,
    su_sees_what_it_expects,
    runuser_sees_what_it_expects,
    timeout_sees_what_it_expects,
    the_first_process_of_a_pid_namespace_becomes_the_program,
    an_exec_by_descriptor_is_held,
    children_of_xargs_are_held_each_for_itself,
    children_of_make_are_held_each_for_itself,
    of_two_threads_that_exec_at_once_one_becomes_its_program,
];

/// Shows all of it for one way of calling a program: unguarded it works; approved it goes on as the same
/// process and the caller gets its status; denied the caller gets EPERM.
///
/// The command has to run the program with the status 7. `approved` and `denied` are what the agent says then.
fn held(user: User, command: &[&str], approved: &str, denied: &str) {
    programs::install();
    let unguarded = Agent::unguarded(user, command);
    assert!(unguarded.output.contains(approved), "unguarded: {unguarded:?}");
    Snapshot::reported(&unguarded.output);

    let mut daemon = daemon::plain();
    let mut agent = Agent::start_as(user, command);
    let request = daemon.request(&agent);
    let pid = request.facts.as_ref().unwrap().pid;
    let before = Snapshot::of(pid);
    assert_eq!(agent.output().find("{\"pid\""), None, "it runs although it is held");
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains(approved), "approved: {said:?}");
    assert_eq!(Snapshot::reported(&said.output), before, "another process, or not the same any more");
    assert_eq!(daemon.end_of(&request), (Verdict::Approved, Outcome::Executed { status: Some(7 << 8) }));
    assert_eq!(daemon.count(&agent), 1, "asked more than once");

    let mut agent = Agent::start_as(user, command);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    let said = agent.end();
    assert!(said.output.contains(denied), "denied: {said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), [], "it ran although it was denied");
    assert_eq!(daemon.end_of(&request), (Verdict::Denied, Outcome::Refused));
    assert_eq!(daemon.count(&agent), 1, "asked more than once");
    for number in ["512", "513", "516"] {
        assert!(!said.output.contains(number), "a number of the kernel's own came out: {said:?}");
    }
}

/// With sh as the caller.
fn held_in_sh(program: &str) {
    let line = format!("cd /usr && exec 8</etc/hostname; {program} 7; echo \"status $?\"");
    held(User::Agent, &["sh", "-c", &line], "status 7", "Operation not permitted\nstatus 126");
}

fn a_static_elf_is_held_and_goes_on_as_the_same_process() {
    held_in_sh(STATIC_ELF);
}

fn a_dynamic_elf_is_held_and_goes_on_as_the_same_process() {
    held_in_sh(DYNAMIC_ELF);
}

fn a_script_is_held_and_goes_on_as_the_same_process() {
    held_in_sh(SCRIPT);
}

fn a_script_of_a_script_is_held_and_goes_on_as_the_same_process() {
    held_in_sh(SCRIPT_OF_SCRIPT);
}

fn kubectl_is_held_and_goes_on() {
    let command = ["sh", "-c", "kubectl version --client --output=json; echo \"status $?\""];
    let works = |output: &str| output.contains("\"gitVersion\"") && output.contains("status 0");
    let unguarded = Agent::unguarded(User::Agent, &command);
    assert!(works(&unguarded.output), "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&command);
    let request = daemon.request(&agent);
    assert_eq!(agent.output(), "");
    daemon.approve(&request);
    let said = agent.end();
    assert!(works(&said.output), "approved: {said:?}");
    let mut agent = Agent::start(&command);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    let said = agent.end();
    assert!(said.output.contains("Operation not permitted\nstatus 126"), "denied: {said:?}");
}

fn sh_sees_what_it_expects() {
    let line = "hp-dynamic 7; echo \"status $?\"";
    held(
        User::Agent,
        &["sh", "-c", line],
        "status 7",
        "sh: 1: hp-dynamic: Operation not permitted\nstatus 126",
    );
}

fn bash_sees_what_it_expects() {
    let line = "hp-dynamic 7; echo \"status $?\"";
    let denied = "bash: line 1: /usr/local/bin/hp-dynamic: Operation not permitted\nstatus 126";
    held(User::Agent, &["bash", "-c", line], "status 7", denied);
}

fn a_python_subprocess_sees_what_it_expects() {
    let program = "import subprocess\n\
                   try: print('status', subprocess.run(['hp-dynamic', '7']).returncode)\n\
                   except OSError as error: print(type(error).__name__, error.errno)\n";
    held(User::Agent, &["python3", "-c", program], "status 7", "PermissionError 1");
}

fn a_caller_of_vfork_sees_what_it_expects() {
    held(User::Agent, &["holdpoint-test-agent", "vfork", DYNAMIC_ELF, "7"], "status 7", "errno=1\n");
}

fn a_caller_of_posix_spawn_sees_what_it_expects() {
    held(User::Agent, &["holdpoint-test-agent", "posix-spawn", DYNAMIC_ELF, "7"], "status 7", "errno=1\n");
}

fn a_thread_that_is_not_the_leader_becomes_the_program() {
    let line = format!("holdpoint-test-agent exec-from-thread {DYNAMIC_ELF} 7; echo \"status $?\"");
    held(User::Agent, &["sh", "-c", &line], "status 7", "errno=1\nstatus 100");
}

/// sudo waits for its child with WUNTRACED and stops itself when the child stops.
/// Mostly it says "unable to execute …: Operation not permitted" as well. It learns of that by a pipe and of the child's
/// end by a signal; having been stopped itself, it finds both at once, and now and then it heeds the signal first.
const REFUSED_BY_SUDO: &str = "status 1";

fn sudo_without_a_terminal_sees_what_it_expects() {
    let line = "sudo -n hp-dynamic 7; echo \"status $?\"";
    held(User::Agent, &["sh", "-c", line], "status 7", REFUSED_BY_SUDO);
}

fn sudo_with_a_terminal_of_its_own_sees_what_it_expects() {
    programs::put_with_mode("/etc/sudoers.d/tests", b"Defaults use_pty\n", 0o440);
    // script(1) gives sudo the terminal without which it makes none.
    let line = "script -qec 'sudo -n hp-dynamic 7; echo \"status $?\"' /dev/null";
    held(User::Agent, &["sh", "-c", line], "status 7", REFUSED_BY_SUDO);
    std::fs::remove_file("/etc/sudoers.d/tests").unwrap();
}

fn su_sees_what_it_expects() {
    let line = "su bob -c 'hp-dynamic 7'; echo \"status $?\"";
    held(User::Root, &["sh", "-c", line], "status 7", "Operation not permitted\nstatus 126");
}

fn runuser_sees_what_it_expects() {
    let line = "runuser -u bob -- hp-dynamic 7; echo \"status $?\"";
    held(
        User::Root,
        &["sh", "-c", line],
        "status 7",
        "runuser: failed to execute hp-dynamic: Operation not permitted\nstatus 1",
    );
}

fn timeout_sees_what_it_expects() {
    let line = "timeout 100 hp-dynamic 7; echo \"status $?\"";
    held(User::Agent, &["sh", "-c", line], "status 7", "Operation not permitted\nstatus 126");
}

fn the_first_process_of_a_pid_namespace_becomes_the_program() {
    // What the program reports is what it sees in its namespace; the two are compared without pids.
    let line = "unshare --fork --pid hp-dynamic 7; echo \"status $?\"";
    let unguarded = Agent::unguarded(User::Root, &["sh", "-c", line]);
    assert_eq!(Snapshot::reported(&unguarded.output).pid, 1, "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    let mut agent = Agent::start_as(User::Root, &["sh", "-c", line]);
    let request = daemon.request(&agent);
    let before = Snapshot::of(request.facts.as_ref().unwrap().pid);
    daemon.approve(&request);
    let said = agent.end();
    assert!(said.output.contains("status 7"), "{said:?}");
    assert_eq!(Snapshot::reported(&said.output), Snapshot { pid: 1, ppid: 0, ..before });
    let mut agent = Agent::start_as(User::Root, &["sh", "-c", line]);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    let said = agent.end();
    assert!(said.output.contains("Operation not permitted\nstatus 126"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), []);
}

fn an_exec_by_descriptor_is_held() {
    for verb in ["exec-by-fd", "exec-by-proc-fd"] {
        let line = format!("holdpoint-test-agent {verb} {DYNAMIC_ELF} 7; echo \"status $?\"");
        held(User::Agent, &["sh", "-c", &line], "status 7", "errno=1\nstatus 100");
    }
}

/// Approves whatever comes until the agent has ended, and says how many requests there were.
fn approve_all(daemon: &mut daemon::Daemon, agent: &mut Agent) -> usize {
    let mut approved = std::collections::HashSet::new();
    eventually("the agent ends", || {
        for request in daemon.client().pending() {
            if approved.insert(request.id.clone()) {
                // It may have ended since: with the other thread's exec, for one.
                let _late = daemon.client().vote(request.id.as_str(), VoteKind::Approve);
            }
        }
        agent.output_if_ended()
    });
    approved.len()
}

fn children_of_xargs_are_held_each_for_itself() {
    let line = "seq 8 | xargs -P8 -n1 hp-dynamic >/tmp/reports; echo \"status $?\"; cat /tmp/reports";
    assert_eq!(Snapshot::all_reported(&Agent::unguarded(User::Agent, &["sh", "-c", line]).output).len(), 8);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", line]);
    assert_eq!(approve_all(&mut daemon, &mut agent), 8);
    let said = agent.end();
    // xargs makes 123 of any status between 1 and 125.
    assert!(said.output.contains("status 123"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output).len(), 8, "{said:?}");

    // xargs waits for the exec of each child before it starts the next, so the first denial ends it.
    let mut agent = Agent::start(&["sh", "-c", line]);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    let said = agent.end();
    assert!(said.output.contains("xargs: hp-dynamic: Operation not permitted\nstatus 126"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), []);
}

fn children_of_make_are_held_each_for_itself() {
    // A line with a metacharacter goes through sh, one without is started by make itself.
    let rules = "all: 1 2 3 4 5 6 7 8\n1 2 3 4:\n\t@hp-dynamic 0\n5 6 7 8:\n\t@hp-dynamic 0; true\n";
    std::fs::write("/tmp/Makefile", rules).unwrap();
    let line = "make -s -j8 -f /tmp/Makefile; echo \"status $?\"";
    assert_eq!(Snapshot::all_reported(&Agent::unguarded(User::Agent, &["sh", "-c", line]).output).len(), 8);
    let mut daemon = daemon::plain();
    let mut agent = Agent::start(&["sh", "-c", line]);
    assert_eq!(approve_all(&mut daemon, &mut agent), 8);
    let said = agent.end();
    assert!(said.output.contains("status 0"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output).len(), 8, "{said:?}");

    std::fs::write("/tmp/Makefile", "all:\n\t@hp-dynamic 0\n").unwrap();
    let mut agent = Agent::start(&["sh", "-c", line]);
    let request = daemon.request(&agent);
    daemon.deny(&request);
    let said = agent.end();
    assert!(said.output.contains("make: hp-dynamic: Operation not permitted"), "{said:?}");
    assert!(said.output.contains("status 2"), "{said:?}");
    assert_eq!(Snapshot::all_reported(&said.output), []);
}

/// The hold of one thread stops the other, in its own exec or before it: there may be one request or two.
fn of_two_threads_that_exec_at_once_one_becomes_its_program() {
    let line = format!("holdpoint-test-agent exec-from-two {DYNAMIC_ELF} {STATIC_ELF}; echo \"status $?\"");
    let command = ["sh", "-c", &line];
    let unguarded = Agent::unguarded(User::Agent, &command);
    assert_eq!(Snapshot::all_reported(&unguarded.output).len(), 1, "unguarded: {unguarded:?}");
    let mut daemon = daemon::plain();
    for _ in 0..5 {
        let mut agent = Agent::start(&command);
        let approved = approve_all(&mut daemon, &mut agent);
        assert!((1..=2).contains(&approved), "{approved} requests");
        let said = agent.end();
        assert!(said.output.contains("status 0"), "{said:?}");
        assert_eq!(Snapshot::all_reported(&said.output).len(), 1, "{said:?}");
        let outcomes = daemon.watch.until("all requests end", |requests| {
            let mine = requests.iter().filter(|view| daemon::is_of(view, &agent));
            mine.map(|view| if let State::Ended { outcome, .. } = view.state { Some(outcome) } else { None })
                .collect()
        });
        let outcomes: Vec<Outcome> = outcomes;
        let ran =
            outcomes.iter().filter(|outcome| **outcome == Outcome::Executed { status: Some(0) }).count();
        let never = outcomes.iter().filter(|outcome| **outcome == Outcome::NeverRan).count();
        assert_eq!((ran, never), (1, outcomes.len() - 1), "{outcomes:?}");
    }
}
