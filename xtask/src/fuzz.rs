//! `cargo xtask fuzz`: libFuzzer on the functions of tests/fuzz.
//!
//! With the project's own compiler: cargo-fuzz without a sanitizer needs no other. What is fuzzed has no unsafe code, where
//! a sanitizer would look; overflows and debug assertions are checked all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::cache;
use crate::command;
use crate::options::FuzzOptions;
use crate::setup;

/// The longest input, in bytes: some more than a page, and no file of the corpora is longer.
const LONGEST: u32 = 4_200;

/// One input may take so many seconds. A longer one counts as a failure.
const INPUT_LIMIT: u32 = 10;

/// Megabytes of memory.
const MEMORY_LIMIT: u32 = 1_024;

/// Fuzzes one target, or all in turn, and says which failed.
pub(crate) fn run(options: &FuzzOptions) -> anyhow::Result<ExitCode> {
    let fuzzer = Fuzzer::find()?;
    let mut failed = Vec::new();
    for target in fuzzer.targets(options.target.as_deref())? {
        let good = fuzzer.fuzz(&target, options.seconds)?;
        if good && options.keep {
            fuzzer.keep(&target)?;
        }
        if !good {
            failed.push(target);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask: fuzz failed: {}; the inputs are in tests/fuzz/artifacts", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// cargo-fuzz, and where the targets lie.
pub(crate) struct Fuzzer {
    program: PathBuf,
    directory: PathBuf,
}

impl Fuzzer {
    /// Installs what is missing.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let program = setup::cargo_fuzz()?;
        Ok(Self { program, directory: cache::repository()?.join("tests/fuzz") })
    }

    /// The names of all targets, or the one that is asked for.
    pub(crate) fn targets(&self, only: Option<&str>) -> anyhow::Result<Vec<String>> {
        let places = fs::read_dir(self.directory.join("fuzz_targets")).context("list the fuzz targets")?;
        let names = places.flatten().filter_map(|place| Some(place.path().file_stem()?.to_str()?.to_owned()));
        let mut names: Vec<String> = names.collect();
        names.sort();
        match only {
            None => Ok(names),
            Some(one) if names.iter().any(|name| name == one) => Ok(vec![one.to_owned()]),
            Some(one) => bail!("find the fuzz target '{one}': there are {}", names.join(", ")),
        }
    }

    /// Fuzzes a target for so many seconds, beginning with what was found before. False when it failed.
    pub(crate) fn fuzz(&self, target: &str, seconds: u64) -> anyhow::Result<bool> {
        println!("fuzz: {target} for {seconds} s");
        let found = self.found(target);
        cache::create_dir(&found)?;
        let mut command = self.libfuzzer(target, &[&found, &self.corpus(target)]);
        command.args([format!("-max_total_time={seconds}"), format!("-timeout={INPUT_LIMIT}")]);
        command.args([format!("-rss_limit_mb={MEMORY_LIMIT}"), String::from("-print_final_stats=1")]);
        Ok(command::status(&mut command)?.success())
    }

    /// Puts into the repository what reaches code that nothing there reaches, and takes out what reaches no code of its own.
    fn keep(&self, target: &str) -> anyhow::Result<()> {
        let (corpus, found) = (self.corpus(target), self.found(target));
        let merged = found.with_extension("merged");
        cache::discard(&merged);
        cache::create_dir(&merged)?;
        let mut command = self.libfuzzer(target, &[&merged, &corpus, &found]);
        // How often code is reached does not count: that would keep thousands of files.
        command::run(command.args(["-merge=1", "-use_counters=0"])).context("minimise the corpus")?;
        cache::discard(&corpus);
        fs::rename(&merged, &corpus).with_context(|| format!("complete {}", corpus.display()))
    }

    fn libfuzzer(&self, target: &str, directories: &[&Path]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["fuzz", "run", "--sanitizer=none", "--fuzz-dir"]).arg(&self.directory).arg(target);
        command.args(directories).args(["--", &format!("-max_len={LONGEST}")]);
        command.env_remove("CARGO_TARGET_DIR");
        command
    }

    fn corpus(&self, target: &str) -> PathBuf {
        self.directory.join("corpus").join(target)
    }

    /// What was found and is not in the repository.
    fn found(&self, target: &str) -> PathBuf {
        self.directory.join("found").join(target)
    }
}
