//! Takes the reports of the guest's runner out of the stream that also carries the output of the files.
//!
//! They share one stream so that a report cannot overtake the output before it. A report begins with
//! the record separator and a word that is drawn for each run: no program prints it by chance.

use anyhow::bail;

/// What the runner in the guest tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The system is up; the first file is about to run.
    Start,
    /// The last file that was run, and its status.
    End { status: u8, file: String },
}

/// Splits the stream.
#[derive(Debug)]
pub(super) struct Splitter {
    prefix: Vec<u8>,
    held_back: Vec<u8>,
}

impl Splitter {
    pub(super) fn new(nonce: &str) -> Self {
        Self { prefix: format!("\x1e{nonce} ").into_bytes(), held_back: Vec::new() }
    }

    /// Appends the output in these bytes to `output`, and returns the reports in them.
    ///
    /// What may still turn out to be a report is held back until more arrives.
    pub(super) fn feed(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> anyhow::Result<Vec<Report>> {
        self.held_back.extend_from_slice(bytes);
        let mut reports = Vec::new();
        loop {
            let Some(start) = self.held_back.iter().position(|byte| *byte == b'\x1e') else {
                output.append(&mut self.held_back);
                return Ok(reports);
            };
            output.extend(self.held_back.drain(..start));
            let common = self.held_back.iter().zip(&self.prefix).take_while(|(a, b)| a == b).count();
            if common < self.prefix.len() {
                if common == self.held_back.len() {
                    return Ok(reports);
                }
                // A record separator of the file's own.
                output.extend(self.held_back.drain(..1));
                continue;
            }
            let Some(end) = self.held_back.iter().position(|byte| *byte == b'\n') else {
                return Ok(reports);
            };
            let line: Vec<u8> = self.held_back.drain(..=end).collect();
            let text = line.get(self.prefix.len()..).unwrap_or_default();
            reports.push(parse(String::from_utf8_lossy(text).trim_end())?);
        }
    }

    /// What was held back when the stream ended.
    pub(super) fn finish(self) -> Vec<u8> {
        self.held_back
    }
}

fn parse(text: &str) -> anyhow::Result<Report> {
    let mut words = text.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some("start"), None, None) => Ok(Report::Start),
        (Some("end"), Some(status), file) => {
            let Ok(status) = status.parse() else { bail!("read a report of the VM: `{text}` has no status") };
            Ok(Report::End { status, file: file.unwrap_or_default().to_string() })
        }
        _ => bail!("read a report of the VM: `{text}` is none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_found_wherever_the_stream_is_cut() {
        let stream = b"\x1eabc start\nno newline\x1eab \x1e\x1eabc end 3 a b.sh\r\n";
        for cut in 0..stream.len() {
            let mut splitter = Splitter::new("abc");
            let mut output = Vec::new();
            let (one, two) = stream.split_at(cut);
            let mut reports = splitter.feed(one, &mut output).unwrap();
            reports.extend(splitter.feed(two, &mut output).unwrap());
            assert_eq!(reports, [Report::Start, Report::End { status: 3, file: "a b.sh".to_string() }]);
            assert_eq!(output, b"no newline\x1eab \x1e", "cut at {cut}");
            assert!(splitter.finish().is_empty());
        }
    }
}
