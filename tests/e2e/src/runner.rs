//! Runs the tests that belong to this boot, one after the other, and prints what libtest would print.
//!
//! libtest cannot say that a test does not belong here (it would count as passed), and waits for ever for one
//! that hangs.

use std::{
    env,
    io::Write as _,
    panic::{self, AssertUnwindSafe, catch_unwind},
    process::{ExitCode, exit},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use crate::support;

/// How the machine was booted: which tests can be run on it. `HOLDPOINT_E2E_BOOT` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Boot {
    /// As the documentation asks for.
    Normal,
    /// Without the BPF LSM.
    LsmOff,
    /// With full preemption.
    PreemptFull,
    /// As `Normal`, with nothing of holdpoint installed and the package at hand.
    Package,
    /// As `Normal`, for the test that takes hours.
    Soak,
    /// As `Package`, after a reboot of that guest.
    Rebooted,
    /// As `Normal`, for the tests of the tests, which take an hour.
    Without,
    /// With the preemption that is the hardest for the kernel, for the load that takes minutes.
    Load,
    /// As `Normal`, for the races that take hours.
    Races,
}

/// One test.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    /// What it shows, as a sentence.
    pub(crate) name: &'static str,
    pub(crate) boot: Boot,
    /// How long it may take, in seconds. One that takes longer hangs, and ends the run.
    pub(crate) limit: u64,
    pub(crate) run: fn(),
}

/// A table of tests: each under the name of its function.
macro_rules! tests {
    ($boot:ident, $limit:literal: $($name:ident),+ $(,)?) => {
        &[$($crate::runner::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            boot: $crate::runner::Boot::$boot,
            limit: $limit,
            run: $name,
        }),+]
    };
}
pub(crate) use tests;

/// Whether this is the boot for large numbers.
pub(crate) fn is_soak() -> bool {
    env::var("HOLDPOINT_E2E_BOOT").is_ok_and(|boot| boot == "soak")
}

/// Runs those tests of the table that belong to this boot and whose name contains the filter.
pub(crate) fn run(all: &[Test]) -> ExitCode {
    let boot = match env::var("HOLDPOINT_E2E_BOOT").as_deref() {
        Ok("lsm-off") => Boot::LsmOff,
        Ok("preempt-full") => Boot::PreemptFull,
        Ok("package") => Boot::Package,
        Ok("soak") => Boot::Soak,
        Ok("load") => Boot::Load,
        Ok("races") => Boot::Races,
        Ok("without") => Boot::Without,
        Ok("rebooted") => Boot::Rebooted,
        Ok("normal") => Boot::Normal,
        other => {
            eprintln!(
                "these tests load LSM programs into the running kernel: 'cargo xtask test vm' runs them in a VM"
            );
            eprintln!("(HOLDPOINT_E2E_BOOT is {other:?}; it names the kind of boot)");
            return ExitCode::FAILURE;
        }
    };
    // Several filters are alternatives. `--test-threads` is for libtest; here it is one in any case.
    let filters: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |test: &&Test| {
        test.boot == boot
            && (filters.is_empty() || filters.iter().any(|filter| name(test).contains(filter.as_str())))
    };
    let chosen: Vec<Test> = all.iter().filter(wanted).copied().collect();
    println!("running {} tests", chosen.len());
    // Before a failed test kills its agents and takes its daemon down.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        usual(information);
        println!("{}", support::daemon::last_words());
    }));
    let begun = Instant::now();
    let mut failed = Vec::new();
    for (index, test) in chosen.iter().enumerate() {
        print!("test {} ... ", name(test));
        std::io::stdout().flush().unwrap();
        let started = Instant::now();
        let watchdog = watch(*test, index, failed.len(), all.len());
        let ended = catch_unwind(AssertUnwindSafe(test.run));
        drop(watchdog);
        match ended {
            Ok(()) => println!("ok ({:.1} s)", started.elapsed().as_secs_f64()),
            Err(_) => {
                println!("FAILED ({:.1} s)", started.elapsed().as_secs_f64());
                failed.push(name(test));
            }
        }
    }
    if !matches!(boot, Boot::Package | Boot::Rebooted) {
        // There it is the service's, and goes on.
        support::daemon::take_down_shared();
    }
    if !failed.is_empty() {
        println!("\nfailures:\n    {}\n", failed.join("\n    "));
    }
    close(chosen.len() - failed.len(), failed.len(), all.len() - chosen.len());
    println!("finished in {:.0} s", begun.elapsed().as_secs_f64());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn name(test: &Test) -> &'static str {
    test.name.split_once("::").map_or(test.name, |(_, name)| name)
}

/// The closing line, which xtask adds up.
fn close(passed: usize, failed: usize, left_out: usize) {
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {left_out} filtered out"
    );
}

/// Ends the whole run when the test takes too long: whatever it waits in, it cannot be taken out of it.
fn watch(test: Test, before: usize, failed: usize, all: usize) -> Sender<()> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(test.limit)) == Err(RecvTimeoutError::Timeout) {
            println!("HANGS after {} s", test.limit);
            println!("{}", support::daemon::last_words());
            close(before - failed, failed + 1, all - before - 1);
            exit(1);
        }
    });
    sender
}
