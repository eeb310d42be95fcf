//! The tests of the VM: the real daemon, the real kernel, and agents that do what agents do.
//!
//! `cargo xtask test vm` runs this in the guest, as root. docs/testing.md says how the tests are made.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests panic; clippy knows that only of functions with #[test], and these have a runner of their own"
)]

mod access;
mod altering;
mod attaching;
mod bad_input;
mod changing;
mod crashes;
mod declared;
mod endings;
mod failures;
mod files;
mod lifecycle;
mod load;
mod observing;
mod parents;
mod proof;
mod reaching;
mod reading;
mod refusal;
mod runner;
mod scopes;
mod service;
mod support;
mod upgrade;
mod volume;

use runner::Test;

fn main() -> std::process::ExitCode {
    let all: Vec<&[Test]> = vec![
        parents::TESTS,
        endings::TESTS,
        files::TESTS,
        changing::TESTS,
        reading::TESTS,
        altering::TESTS,
        reaching::TESTS,
        access::TESTS,
        scopes::TESTS,
        lifecycle::TESTS,
        declared::TESTS,
        attaching::TESTS,
        upgrade::TESTS,
        proof::TESTS,
        crashes::TESTS,
        crashes::SOAK_TESTS,
        failures::TESTS,
        bad_input::TESTS,
        observing::TESTS,
        volume::TESTS,
        volume::SOAK_TESTS,
        load::TESTS,
        load::LOAD_TESTS,
        service::TESTS,
        service::REBOOTED_TESTS,
        refusal::LSM_OFF,
        refusal::PREEMPT_FULL,
    ];
    runner::run(&all.concat())
}
