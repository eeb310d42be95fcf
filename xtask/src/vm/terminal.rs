//! The terminal of the person who sits at an interactive run.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;

use anyhow::Context as _;

/// The key that ends the VM: Ctrl-].
const END: u8 = 0x1d;

/// A terminal in raw mode, put back when this goes.
#[derive(Debug)]
pub(super) struct RawMode {
    before: Option<String>,
}

impl RawMode {
    /// Switches the terminal to raw mode, if standard input is one.
    pub(super) fn enter() -> anyhow::Result<Self> {
        if !io::stdin().is_terminal() {
            return Ok(Self { before: None });
        }
        let mut save = Command::new("stty");
        let saved =
            save.arg("-g").stdin(Stdio::inherit()).output().context("read the terminal's settings")?;
        let before = String::from_utf8_lossy(&saved.stdout).trim().to_string();
        stty(&["raw", "-echo"])?;
        Ok(Self { before: Some(before) })
    }

    /// Tells whether there is a terminal, which then wants a carriage return before each line feed.
    pub(super) fn is_raw(&self) -> bool {
        self.before.is_some()
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that is gone.
            let _ = stty(&[before]);
        }
    }
}

/// Hands the keyboard to the VM until Ctrl-] is pressed or the VM is gone.
pub(super) fn pass_keyboard(mut to: ChildStdin, on_end: impl FnOnce() + Send + 'static) {
    // Not joined: it waits for a key that may never be pressed.
    thread::spawn(move || {
        let mut keys = [0_u8; 256];
        loop {
            let count = match io::stdin().lock().read(&mut keys) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            let pressed = keys.get(..count).unwrap_or_default();
            if pressed.contains(&END) {
                return on_end();
            }
            if to.write_all(pressed).and_then(|()| to.flush()).is_err() {
                return;
            }
        }
        // The end of the input is not the end of the VM: keep its port open.
        loop {
            thread::park();
        }
    });
}

/// Rows and columns of the terminal, or of the classic one where there is none.
pub(super) fn size() -> (u16, u16) {
    let classic = (24, 80);
    if !io::stdin().is_terminal() {
        return classic;
    }
    let Ok(output) = Command::new("stty").arg("size").stdin(Stdio::inherit()).output() else {
        return classic;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let Some((rows, columns)) = text.trim().split_once(' ') else { return classic };
    match (rows.parse(), columns.parse()) {
        (Ok(rows), Ok(columns)) if rows > 0 && columns > 0 => (rows, columns),
        _ => classic,
    }
}

fn stty(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("stty");
    let status = command.args(arguments).stdin(Stdio::inherit()).status().context("set the terminal")?;
    anyhow::ensure!(status.success(), "set the terminal: stty: {status}");
    Ok(())
}
