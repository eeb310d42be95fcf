//! Each protection left out in turn: the tests of it fail then. One that passes all the same shows nothing.
//!
//! A part of the soak: a test that waits for what does not come any more takes as long as its patience.

use std::process::Command;

use crate::{
    runner::{Test, tests},
    support::cli::run,
};

/// A test of this module for each protection, under the name of its counter, with the tests that have to fail without it.
macro_rules! without {
    ($($protection:ident: $($test:literal),+;)+) => {
        pub(crate) const TESTS: &[Test] = tests![Without, 1800: $($protection),+];

        $(fn $protection() {
            fail_without(stringify!($protection), &[$($test),+]);
        })+
    };
}

without! {
    killed:
        "exchanged::what_a_handler_exchanges_after_the_approval_is_killed",
        "exchanged::what_a_script_begins_with_is_bound_as_well",
        "races::what_a_neighbour_exchanges_all_the_while_runs_as_it_was_shown_or_not_at_all",
        "races::what_userfaultfd_serves_only_once_runs_as_it_was_shown_or_not_at_all",
        "variables::what_is_tried_again_with_a_variable_of_the_dynamic_loader_is_killed",
        "exchanged::what_was_asked_before_a_restart_is_bound_after_it";
    refused_moved:
        "moved::who_becomes_another_after_the_approval_is_refused",
        "moved::who_goes_to_another_namespace_after_the_approval_is_refused",
        "moved::who_goes_to_another_directory_after_the_approval_is_refused";
    read_refused:
        "reading::a_listed_program_is_not_copied",
        "reading::the_dynamic_loader_does_not_run_a_listed_program",
        "reading::an_interpreter_does_not_run_a_listed_script",
        "reading::a_listed_program_is_not_read_through_proc",
        "reading::a_listed_program_below_an_overlay_is_not_read",
        "attacks::no_copy_of_it_is_made_or_run";
    change_refused:
        "altering::a_listed_program_gets_no_other_name",
        "altering::nothing_takes_the_place_of_a_listed_program",
        "altering::a_listed_program_keeps_its_mode_owner_and_attributes";
    trace_refused:
        "reaching::what_is_held_is_not_traced_or_written_to",
        "reaching::what_was_approved_is_not_traced_or_written_to",
        "reaching::what_is_no_agents_is_not_traced_or_written_to";
    refused_traced:
        "reaching::a_program_under_an_agents_tracer_is_refused";
    signal_refused:
        "reaching::an_agent_sends_the_daemon_no_signal";
    bpf_refused:
        "reaching::an_agent_does_not_call_bpf";
    kernel_refused:
        "reaching::an_agent_loads_no_module_and_no_kernel";
    place_refused:
        "reaching::an_agent_does_not_open_what_is_the_daemons",
        "reaching::an_agent_does_not_change_what_is_the_daemons";
    mount_refused:
        "reaching::an_agent_mounts_nothing_over_what_is_the_daemons",
        "reaching::an_agent_unmounts_nothing_of_what_the_daemon_needs";
    cgroup_refused:
        "reaching::an_agent_with_root_moves_nobody_into_another_cgroup";
    killed_named:
        "kinds::nobody_becomes_a_listed_program_by_its_arguments";
    refused_below:
        "below::a_listed_program_below_an_overlay_does_not_run_under_another_name";
}

/// Runs each of the tests by itself, with daemons that leave the protection out.
fn fail_without(protection: &str, tests: &[&str]) {
    for test in tests {
        let mut alone = Command::new("/proc/self/exe");
        alone.arg(test).env("HOLDPOINT_E2E_BOOT", "normal").env("HOLDPOINT_E2E_WITHOUT", protection);
        let said = run(&mut alone);
        assert!(said.output.contains("running 1 tests"), "'{test}' is not one test: {said:?}");
        assert!(said.code != 0 && said.output.contains("0 passed; 1 failed"), "{test} passes: {said:?}");
        assert!(!said.output.contains("HANGS"), "{test} does not come to its end: {said:?}");
        let why = said.errors.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
        println!("\n    {test} fails: {}", why.unwrap_or_default());
    }
}
