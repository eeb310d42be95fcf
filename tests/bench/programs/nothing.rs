//! The program that is spawned: it does nothing, so that what is measured is what the kernel does around it.

fn main() {}
