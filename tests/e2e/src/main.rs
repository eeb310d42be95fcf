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
mod attacks;
mod bad_input;
mod below;
mod canary;
mod changing;
mod clauses;
mod crashes;
mod declared;
mod endings;
mod exchanged;
mod failures;
mod filed;
mod files;
mod flood;
mod granted;
mod joined;
mod kinds;
mod lifecycle;
mod load;
mod moved;
mod observing;
mod parents;
mod paths;
mod proof;
mod races;
mod reaching;
mod reading;
mod reconfigured;
mod refusal;
mod runner;
mod scopes;
mod service;
mod silent;
mod support;
mod tags;
mod tried_out;
mod upgrade;
mod variables;
mod volume;
mod without;

use runner::Test;

fn main() -> std::process::ExitCode {
    let all: Vec<&[Test]> = vec![
        parents::TESTS,
        endings::TESTS,
        exchanged::TESTS,
        flood::TESTS,
        joined::TESTS,
        variables::TESTS,
        clauses::TESTS,
        tried_out::TESTS,
        granted::TESTS,
        moved::TESTS,
        paths::TESTS,
        files::TESTS,
        changing::TESTS,
        reading::TESTS,
        altering::TESTS,
        attacks::TESTS,
        kinds::TESTS,
        below::TESTS,
        reaching::TESTS,
        access::TESTS,
        tags::TESTS,
        scopes::TESTS,
        lifecycle::TESTS,
        declared::TESTS,
        reconfigured::TESTS,
        attaching::TESTS,
        upgrade::TESTS,
        proof::TESTS,
        canary::TESTS,
        crashes::TESTS,
        crashes::SOAK_TESTS,
        filed::TESTS,
        filed::SOAK_TESTS,
        failures::TESTS,
        bad_input::TESTS,
        observing::TESTS,
        silent::TESTS,
        volume::TESTS,
        volume::SOAK_TESTS,
        races::TESTS,
        races::RACES,
        clauses::RACES,
        load::TESTS,
        load::LOAD_TESTS,
        without::TESTS,
        service::TESTS,
        service::REBOOTED_TESTS,
        refusal::LSM_OFF,
        refusal::PREEMPT_FULL,
    ];
    runner::run(&all.concat())
}
