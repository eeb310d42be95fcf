//! A writer that is killed leaves whole batches behind.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use super::*;

/// Set in the child process: where it writes.
const DIRECTORY: &str = "HOLDPOINT_TEST_STORE";

/// Each batch has this many entries, so a torn one shows.
const BATCH: u64 = 7;

#[test]
fn child_that_writes_until_it_is_killed() {
    // Without the variable this is an ordinary test run, and there is nothing to do.
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let mut store = open(&directory);
    loop {
        store.write(&(0..BATCH).map(log_entry).collect::<Vec<_>>()).unwrap();
        println!("written");
    }
}

#[test]
fn a_killed_writer_leaves_whole_batches_and_no_gap() {
    let directory = state_directory();
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::killed::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let written =
            lines.map(Result::unwrap).filter(|line| line.contains("written")).take(round * 10).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(written, round * 10);

        let mut store = open(directory.path());
        let entries = store.log(Some(0), u32::MAX, None).unwrap();
        assert!(entries.iter().map(|entry| entry.seq).eq(1..=entries.len() as u64), "no gap");
        assert_eq!(entries.len() as u64 % BATCH, 0, "no torn batch");
        assert!(entries.len() as u64 >= written as u64 * BATCH, "what was acknowledged is there");
        store.write(&(0..BATCH).map(log_entry).collect::<Vec<_>>()).unwrap();
    }
}
