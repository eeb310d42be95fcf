//! One run from the start of QEMU to its end.

use std::io::{Read as _, Write};
use std::process::{Child, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::console::{self, RunDirectory};
use super::qemu::{self, Disks};
use super::report::{Report, Splitter};
use super::terminal::{self, RawMode};
use super::{Boot, Ending, Payload};
use crate::setup;

/// How long a boot may take. It takes 10 s on an idle machine; others may be compiling on this one.
const BOOT_LIMIT: Duration = Duration::from_secs(240);

/// When the time is up the guest writes to its console which processes are there. It gets so long for it.
const GRACE: Duration = Duration::from_secs(5);

enum Event {
    Output(Vec<u8>),
    Closed,
    EndKey,
}

/// Boots the VM, runs the payload, and writes what it writes to `output`.
pub(super) fn run(boot: &Boot, payload: &Payload, output: &mut dyn Write) -> anyhow::Result<Ending> {
    let ready = setup::ready()?;
    let kernel = setup::kernel(boot.kernel)?;
    let nonce = console::draw_nonce()?;
    let directory = RunDirectory::new(&nonce)?;
    let (tar, initramfs) = (directory.file("payload.tar"), directory.file("initramfs.cpio"));
    payload.write(&tar, &nonce, boot)?;
    qemu::make_initramfs(&kernel.drivers, &initramfs)?;
    let disks = Disks {
        root: &ready.image,
        payload: &tar,
        kernel: &kernel,
        initramfs: &initramfs,
        console: &directory.file("console.log"),
        log: &directory.file("qemu.log"),
    };
    let child = qemu::command(boot, &disks)?.spawn().context("start qemu-system-x86_64")?;
    let mut machine = Machine(child);
    let (sender, receiver) = sync_channel(16);
    let stdout = machine.0.stdout.take().context("read from qemu: it has no output")?;
    let stdin = machine.0.stdin.take().context("write to qemu: it has no input")?;
    read_output(stdout, sender.clone());
    let raw;
    // QEMU takes the end of its input for a port that was pulled out, so the input stays open.
    let _open;
    if boot.interactive {
        raw = RawMode::enter()?.into();
        terminal::pass_keyboard(stdin, move || {
            // If nobody listens any more the run is over.
            let _ = sender.send(Event::EndKey);
        });
    } else {
        raw = None;
        _open = stdin;
    }
    let strip = boot.interactive && !raw.as_ref().is_some_and(RawMode::is_raw);
    Session { boot, directory: &directory, splitter: Splitter::new(&nonce), strip, output }.follow(&receiver)
}

struct Session<'a> {
    boot: &'a Boot,
    directory: &'a RunDirectory,
    splitter: Splitter,
    /// Takes the carriage returns of the guest's terminal away.
    strip: bool,
    output: &'a mut dyn Write,
}

impl Session<'_> {
    fn follow(mut self, events: &Receiver<Event>) -> anyhow::Result<Ending> {
        let mut started = false;
        let mut deadline = Instant::now() + BOOT_LIMIT;
        loop {
            match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Output(bytes)) => {
                    for report in self.take(&bytes)? {
                        match report {
                            Report::Start => {
                                started = true;
                                deadline = Instant::now() + self.boot.timeout + GRACE;
                            }
                            Report::End { status, file } => return Ok(Ending::Exited { status, file }),
                        }
                    }
                }
                Ok(Event::EndKey) => bail!("run files in the VM: ended by Ctrl-]"),
                Err(RecvTimeoutError::Timeout) if started => {
                    let limit = self.boot.timeout.as_secs();
                    let words = self.directory.last_words();
                    eprintln!("xtask: the files took longer than {limit} s (see --timeout); {words}");
                    return Ok(Ending::TimedOut);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let limit = BOOT_LIMIT.as_secs();
                    bail!("the VM did not boot in {limit} s; {}", self.directory.last_words());
                }
                Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
            }
        }
    }

    /// Writes the output among these bytes and returns the reports.
    fn take(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<Report>> {
        let mut text = Vec::new();
        let reports = self.splitter.feed(bytes, &mut text)?;
        self.write(text)?;
        Ok(reports)
    }

    fn write(&mut self, mut text: Vec<u8>) -> anyhow::Result<()> {
        if self.strip {
            text.retain(|byte| *byte != b'\r');
        }
        self.output.write_all(&text).and_then(|()| self.output.flush()).context("write the output of the VM")
    }

    /// The VM ended without a report.
    fn died(mut self) -> anyhow::Error {
        let rest = std::mem::replace(&mut self.splitter, Splitter::new("")).finish();
        // The error that follows is the one that matters.
        let _ = self.write(rest);
        let how = if self.directory.panic().is_some() { "its kernel panicked" } else { "it ended by itself" };
        anyhow::anyhow!("the VM failed: {how}; {}", self.directory.last_words())
    }
}

/// A running QEMU, ended when this goes.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_output(mut from: ChildStdout, to: SyncSender<Event>) {
    thread::spawn(move || {
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            let event = match from.read(&mut buffer) {
                Ok(0) | Err(_) => Event::Closed,
                Ok(count) => Event::Output(buffer.get(..count).unwrap_or_default().to_vec()),
            };
            let last = matches!(event, Event::Closed);
            if to.send(event).is_err() || last {
                return;
            }
        }
    });
}
