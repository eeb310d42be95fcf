//! When two actions are the same question to a person.

use crate::{facts::ExecFacts, policy::Wait};

/// A digest over what a person is asked. The daemon makes it of [`question`], by a hash without known collisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question(pub [u8; 32]);

/// What a person is asked, as bytes that are the same for the same question and for no other.
///
/// It is what a person can tell two requests of one agent apart by: file and content, name as called, arguments,
/// directory, user, and the environment as far as it is shown. Not the process, its parents or terminal, nor the rest of
/// the environment, which differ from try to try. Of what was filed nobody knows directory and environment for sure,
/// and the kernel half tells one from another without them: then they do not count here either.
#[must_use]
pub fn question(facts: &ExecFacts, wait: Wait) -> Vec<u8> {
    let mut bytes = Bytes(vec![match wait {
        Wait::Hold => b'h',
        Wait::Refuse => b'r',
    }]);
    bytes.add(&facts.executable.path.0);
    bytes.add(facts.executable.sha256.as_bytes());
    bytes.number(facts.argv.len());
    facts.argv.iter().for_each(|argument| bytes.add(&argument.0));
    if wait == Wait::Hold {
        // A search through PATH calls the same program by another directory: that is the same wish.
        bytes.add(facts.called.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
        bytes.add(&facts.cwd.0);
        bytes.add(&facts.user.uid.to_le_bytes());
        bytes.add(&facts.user.euid.to_le_bytes());
        bytes.number(facts.env.len());
        for (name, value) in &facts.env {
            bytes.add(name.as_bytes());
            bytes.add(&value.0);
        }
    }
    bytes.0
}

/// Strings with their lengths before them, so that no boundary can be moved.
struct Bytes(Vec<u8>);

impl Bytes {
    fn add(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u64).to_le_bytes());
    }
}
