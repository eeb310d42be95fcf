//! What `holdpoint-bench` printed in the VM.

use std::io::{self, Write};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::statistics::Summary;

/// The lines of one run.
#[derive(Debug)]
pub(super) struct Figures(Vec<Value>);

impl Figures {
    /// A text of the line of this kind.
    pub(super) fn text<'a>(&'a self, kind: &str, field: &str) -> anyhow::Result<&'a str> {
        let line = self.0.iter().find(|line| text(line, "kind") == kind);
        let value = line.and_then(|line| line.get(field)).and_then(Value::as_str);
        value.with_context(|| format!("find {field} of {kind} among the figures"))
    }

    /// A number of the line of this kind and name.
    pub(super) fn number(&self, kind: &str, name: &str, field: &str) -> anyhow::Result<f64> {
        let value = self.line(kind, name)?.get(field).and_then(Value::as_f64);
        value.with_context(|| format!("find {field} of {name} among the figures"))
    }

    /// Figures that stand by themselves.
    pub(super) fn samples(&self, name: &str) -> anyhow::Result<Summary> {
        summary(&list(self.line("samples", name)?, "values")?)
    }

    /// What was measured without that which the pairs are about.
    pub(super) fn without(&self, name: &str) -> anyhow::Result<Summary> {
        summary(&list(self.line("pairs", name)?, "without")?)
    }

    /// What it added, round by round.
    pub(super) fn added(&self, name: &str) -> anyhow::Result<Summary> {
        let line = self.line("pairs", name)?;
        let (without, with) = (list(line, "without")?, list(line, "with")?);
        ensure!(without.len() == with.len(), "compare the figures of {name}: they are not pairs");
        summary(&with.iter().zip(&without).map(|(with, without)| with - without).collect::<Vec<_>>())
    }

    /// All lines of this kind.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |line| text(line, "kind") == kind)
    }

    fn line(&self, kind: &str, name: &str) -> anyhow::Result<&Value> {
        let mut lines = self.all(kind);
        lines
            .find(|line| text(line, "name") == name)
            .with_context(|| format!("find {name} among the figures"))
    }
}

/// Keeps the lines that are figures, and passes all others on to those who wait.
#[derive(Debug)]
pub(super) struct Collector<W> {
    to: W,
    rest: Vec<u8>,
    lines: Vec<Value>,
}

impl<W: Write> Collector<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, rest: Vec::new(), lines: Vec::new() }
    }

    pub(super) fn figures(mut self) -> anyhow::Result<Figures> {
        // A last line without an end.
        self.line().context("read the figures")?;
        Ok(Figures(self.lines))
    }

    fn line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.rest);
        match serde_json::from_slice(&line) {
            Ok(value @ Value::Object(_)) => self.lines.push(value),
            _ => self.to.write_all(&line)?,
        }
        Ok(())
    }
}

impl<W: Write> Write for Collector<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.rest.push(*byte);
            if *byte == b'\n' {
                self.line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

pub(super) fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn list(line: &Value, field: &str) -> anyhow::Result<Vec<f64>> {
    let values = line.get(field).and_then(Value::as_array);
    let values = values.with_context(|| format!("find {field} among the figures"))?;
    values.iter().map(|value| value.as_f64().with_context(|| format!("read a figure: {value}"))).collect()
}

fn summary(values: &[f64]) -> anyhow::Result<Summary> {
    Summary::of(values).context("sum figures up: there are none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_kept_and_all_else_is_passed_on() {
        let mut passed = Vec::new();
        let mut collector = Collector::new(&mut passed);
        let text = "hello\n{\"kind\":\"pairs\",\"name\":\"a\",\"without\":[1,2,3],\"with\":[2,4,6]}\n{odd}\n";
        for piece in text.as_bytes().chunks(5) {
            collector.write_all(piece).unwrap();
        }
        let figures = collector.figures().unwrap();
        assert_eq!(figures.added("a").unwrap().median, 2.0);
        assert_eq!(figures.without("a").unwrap().median, 2.0);
        assert!(figures.added("b").is_err());
        assert_eq!(passed, b"hello\n{odd}\n");
    }
}
