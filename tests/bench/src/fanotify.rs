//! The floor for supervisors that decide by fanotify: permission events for every exec of the file system, and a
//! listener that always allows.

use std::{fs::File, sync::Arc, thread};

use anyhow::Context as _;
use nix::{
    sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags},
    unistd::{close, read, write},
};

/// `FAN_ALLOW`.
const ALLOW: u32 = 1;

/// Where the descriptor lies in `struct fanotify_event_metadata`.
const DESCRIPTOR: std::ops::Range<usize> = 16..20;

/// A group with a listener, whose mark is there or not.
pub(crate) struct Watch(Arc<Fanotify>);

impl Watch {
    /// Makes the group and its listener. Nothing is marked yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let flags = InitFlags::FAN_CLASS_CONTENT | InitFlags::FAN_CLOEXEC;
        let group = Fanotify::init(flags, EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC)
            .context("make a fanotify group")?;
        let group = Arc::new(group);
        let listener = Arc::clone(&group);
        thread::spawn(move || while allow_one(&listener).is_ok() {});
        Ok(Self(group))
    }

    pub(crate) fn mark(&self) -> anyhow::Result<()> {
        self.change(MarkFlags::FAN_MARK_ADD)
    }

    pub(crate) fn unmark(&self) -> anyhow::Result<()> {
        self.change(MarkFlags::FAN_MARK_REMOVE)
    }

    fn change(&self, how: MarkFlags) -> anyhow::Result<()> {
        let root = File::open("/").context("open the root directory")?;
        let flags = how | MarkFlags::FAN_MARK_FILESYSTEM;
        self.0
            .mark(flags, MaskFlags::FAN_OPEN_EXEC_PERM, &root, None::<&str>)
            .context("mark the file system with fanotify")
    }
}

/// Reads and answers by hand: nix's own reading puts events into lists, and this is to be the least that it can cost.
fn allow_one(group: &Fanotify) -> anyhow::Result<()> {
    let mut event = [0_u8; 24];
    read(group, &mut event).context("read a fanotify event")?;
    let descriptor: [u8; 4] = event.get(DESCRIPTOR).context("an event has a descriptor")?.try_into()?;
    let mut answer = [0_u8; 8];
    let (which, verdict) = answer.split_at_mut(4);
    which.copy_from_slice(&descriptor);
    verdict.copy_from_slice(&ALLOW.to_ne_bytes());
    write(group, &answer).context("answer a fanotify event")?;
    close(i32::from_ne_bytes(descriptor)).context("close the file of a fanotify event")?;
    Ok(())
}
