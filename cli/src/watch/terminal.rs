//! The terminal: keys one by one, and everything as it was when we leave.

use std::{
    io::{self, Stdin},
    os::fd::AsFd as _,
    thread,
};

use nix::{
    errno::Errno,
    sys::termios::{
        FlushArg, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcflush, tcgetattr, tcsetattr,
    },
    unistd::read,
};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Switches a control character off (`_POSIX_VDISABLE`).
const DISABLED: u8 = 0;

/// Keys that may be read ahead. They are thrown away when a request comes up.
const READ_AHEAD: usize = 64;

/// Standard input, which gives each key as it is typed. Dropping it, also in a panic, puts back what was.
pub(super) struct Terminal {
    stdin: Stdin,
    before: Termios,
    keys: mpsc::Receiver<u8>,
}

impl Terminal {
    pub(super) fn open() -> Result<Self, Failure> {
        let failed = |what: &str, cause: Errno| {
            Failure::Internal(format!("cannot {what} the terminal on standard input: {cause}"))
        };
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd()).map_err(|cause| failed("look at", cause))?;
        let mut wanted = before.clone();
        wanted.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        for (index, value) in [
            // A stopped watch would leave the shell with our settings.
            (SpecialCharacterIndices::VSUSP, DISABLED),
            // A read waits for one key, and no longer.
            (SpecialCharacterIndices::VMIN, 1),
            (SpecialCharacterIndices::VTIME, 0),
        ] {
            if let Some(character) = wanted.control_chars.get_mut(index as usize) {
                *character = value;
            }
        }
        let (sender, keys) = mpsc::channel(READ_AHEAD);
        tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &wanted).map_err(|cause| failed("set", cause))?;
        let terminal = Self { stdin, before, keys };
        // A read of a terminal can be waited for on a thread of its own, or with unsafe code. The thread ends
        // with the process.
        thread::Builder::new().name("keys".to_owned()).spawn(move || send_keys(&sender)).map_err(
            |cause| Failure::Internal(format!("cannot start a thread to read the terminal: {cause}")),
        )?;
        Ok(terminal)
    }

    /// Waits for the next key; none means that the terminal has gone.
    pub(super) async fn key(&mut self) -> Option<u8> {
        self.keys.recv().await
    }

    /// Throws away what was typed and not taken yet.
    pub(super) fn flush(&mut self) {
        // Should this fail, a key typed early is still held off by time.
        let _ = tcflush(self.stdin.as_fd(), FlushArg::TCIFLUSH);
        while self.keys.try_recv().is_ok() {}
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is no terminal left to put right when this fails.
        let _ = tcsetattr(self.stdin.as_fd(), SetArg::TCSADRAIN, &self.before);
    }
}

fn send_keys(sender: &mpsc::Sender<u8>) {
    let stdin = io::stdin();
    let mut key = [0];
    loop {
        match read(stdin.as_fd(), &mut key) {
            Ok(1) => {
                let [key] = key;
                if sender.blocking_send(key).is_err() {
                    return;
                }
            }
            Err(Errno::EINTR) => {}
            // End of file or an error: nobody types any more. Dropping the sender says so.
            _ => return,
        }
    }
}
