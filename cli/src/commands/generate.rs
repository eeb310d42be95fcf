//! What packages ship beside the program: completions and manual pages, made from the command line itself.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{args::Arguments, failure::Failure, output};

pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "holdpoint", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

pub(super) fn man(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
        .map_err(|cause| {
            Failure::Internal(format!("cannot write manual pages to '{}': {cause}", directory.display()))
        })
}
