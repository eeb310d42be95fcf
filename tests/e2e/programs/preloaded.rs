//! A library that runs in whatever program it is loaded into: says so, and ends the program with a status of its own.
#![crate_type = "cdylib"]

use std::process;

/// What the dynamic loader calls when it has loaded the library, before the program's own beginning.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    println!("another library runs");
    process::exit(9);
}
