//! `cargo xtask demo`: a held exec for a person who has not seen one.

use std::process::ExitCode;
use std::time::Duration;

use crate::build;
use crate::cache;
use crate::options::{DemoOptions, Profile};
use crate::vm::{self, Boot, Payload};

/// Long enough to go for a coffee in front of the question.
const LIMIT: Duration = Duration::from_secs(3_600);

/// Boots the VM with a terminal and plays tests/vm/demo.sh there.
pub(crate) fn run(options: &DemoOptions) -> anyhow::Result<ExitCode> {
    let mut payload = Payload::new(build::run(Profile::Release)?);
    payload.add(&cache::repository()?.join("tests/vm/demo.sh"))?;
    if options.yes {
        payload.set("HOLDPOINT_DEMO_YES", "1")?;
    }
    println!("demo: booting a Debian with kernel {}; Ctrl-] ends it", options.kernel.version());
    let boot = Boot { interactive: true, ..Boot::plain(options.kernel, LIMIT) };
    let ending = boot.run(&payload, &mut std::io::stdout().lock())?;
    Ok(vm::exit_code(&ending))
}
