//! The program as people run it, against a daemon that answers what the test says.

#[cfg(test)]
mod common;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod run;
#[cfg(test)]
mod watch;
