//! Counts what test runners say in their closing lines.

use std::io::{self, Write};

/// The sum of the closing lines seen so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: u32,
    failed: u32,
    closings: u32,
    line: Vec<u8>,
}

impl Tally {
    pub(super) fn passed(&self) -> u32 {
        self.passed
    }

    pub(super) fn failed(&self) -> u32 {
        self.failed
    }

    /// Adds what another one has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.closings += other.closings;
    }

    /// How many runners reached their closing line.
    pub(super) fn closings(&self) -> u32 {
        self.closings
    }

    /// Counts a success that no runner reports.
    pub(super) fn pass(&mut self) {
        self.passed += 1;
    }

    /// Counts a failure that no runner could report.
    pub(super) fn fail(&mut self) {
        self.failed += 1;
    }

    /// A writer that passes everything on and reads the closing lines in it.
    pub(super) fn watch<W: Write>(&mut self, to: W) -> Watch<'_, W> {
        self.line.clear();
        Watch { tally: self, to }
    }

    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.read_line(&String::from_utf8_lossy(&line));
            } else {
                self.line.push(*byte);
            }
        }
    }

    /// `test result: ok. 3 passed; 0 failed; 0 ignored; …`
    fn read_line(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        self.closings += 1;
        for count in counts.split(';') {
            match count.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                // A number that cannot be read is not a zero.
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(1),
                _ => (),
            }
        }
    }
}

/// See [`Tally::watch`].
#[derive(Debug)]
pub(super) struct Watch<'a, W> {
    tally: &'a mut Tally,
    to: W,
}

impl<W: Write> Write for Watch<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.tally.read(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_summed_up_however_they_arrive() {
        let text = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; finished in 0.00s\n\
                    test result: FAILED. 3 passed; 1 failed; 0 ignored\ntest result: of a test's own\n";
        let mut tally = Tally::default();
        for piece in text.as_bytes().chunks(7) {
            tally.read(piece);
        }
        assert_eq!((tally.passed(), tally.failed(), tally.closings()), (5, 1, 2));
    }
}
