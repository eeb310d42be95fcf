//! Whether a task is an agent's.
//!
//! Tags are kept by the address of the task, which is its own from `security_task_alloc` to `security_task_free`. Task
//! storage, which the kernel has for this, makes a fork of an agent's twice as dear, and can fail to find what is there
//! (docs/decisions/0012).

use core::arch::asm;

use aya_ebpf::helpers::generated::bpf_get_current_task;
use holdpoint_abi::{Counter, TAG_SLOTS, TagSlot, TaskState};

use crate::{
    count,
    kernel::task::{self, Task},
    maps::{SLOTS, TAGGINGS, TASKS},
};

/// What is known of a task.
pub enum Tag {
    /// It is not an agent's.
    None,
    /// It is. The state lives as long as the task.
    Agent(&'static mut TaskState),
    /// It is not, and has begun, now or some time ago, an exec that makes it one.
    Becoming(&'static mut TaskState),
}

/// What can be said of the current task without a look-up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// It is not an agent's.
    Nobodys,
    /// It is an agent's, and nothing else is known.
    Agents,
    /// It has to be looked up.
    Unclear,
}

/// Glances at the current task. Of most tasks of a host this says enough.
#[inline(always)]
pub fn glance() -> Glance {
    let address = current_address();
    let Some(slot) = slot(address) else { return Glance::Unclear };
    if count_of(slot) == 0 {
        Glance::Nobodys
    } else if known_of(slot) == address {
        Glance::Agents
    } else {
        Glance::Unclear
    }
}

/// A glance at the current task, an agent's, is enough from now on.
#[inline(always)]
pub fn know_current() {
    Place(current_address()).know();
}

/// The current task has to be looked up from now on.
#[inline(always)]
pub fn forget_current() {
    Place(current_address()).forget();
}

/// Looks the current task up.
#[inline(always)]
pub fn of_current() -> Tag {
    look_up(current_address())
}

/// Looks a task up.
#[inline(always)]
pub fn of(task: Task) -> Tag {
    look_up(address(task))
}

/// The place of a task other than the current one. Finding it costs more than a look.
#[inline(always)]
pub fn place(task: Task) -> Place {
    Place(address(task))
}

/// Where the tag of a task is kept, should it have one.
#[derive(Clone, Copy)]
pub struct Place(u64);

impl Place {
    /// What is kept here, of an agent's or not.
    #[inline(always)]
    pub fn get(self) -> Option<&'static mut TaskState> {
        if is_counted(self.0) { get(self.0) } else { None }
    }

    /// The state, made where there is none. None where there is no room.
    #[inline(always)]
    pub fn get_or_create(self) -> Option<&'static mut TaskState> {
        // Whoever was faster has made the one that is there.
        if let Some(state) = get(self.0) {
            return Some(state);
        }
        let state = self.create()?;
        // Before the caller writes an agent's number: the daemon looks at this first.
        if let Some(taggings) = TAGGINGS.get_ptr_mut(0) {
            add(taggings, 1);
        }
        Some(state)
    }

    /// Makes a state where there was none. None where there is no room.
    #[inline(always)]
    pub fn create(self) -> Option<&'static mut TaskState> {
        // Counted before it is there: whoever finds no count looks no further.
        let slot = slot(self.0)?;
        add(slot.cast(), 1);
        let new = u64::from(aya_ebpf::bindings::BPF_NOEXIST);
        if TASKS.insert(self.0, &NEW, new).is_err() {
            add(slot.cast(), u64::MAX);
        }
        // Where there was no room there is none; where another was faster there is that one's.
        get(self.0)
    }

    /// A glance at the task, an agent's, is enough from now on, unless another one has the slot.
    #[inline(always)]
    pub fn know(self) {
        if let Some(slot) = slot(self.0) {
            write(slot, self.0);
        }
    }

    /// The task has to be looked up from now on.
    #[inline(always)]
    fn forget(self) {
        if let Some(slot) = slot(self.0)
            && known_of(slot) == self.0
        {
            write(slot, 0);
        }
    }

    /// Forgets what is kept for a task that is just being made: it is of one that had its place before.
    ///
    /// The end of a task can go unnoticed: before 6.2 a program is skipped that interrupts itself on its CPU, and a map
    /// refuses what interrupts it (`htab_lock_bucket`,
    /// <https://github.com/torvalds/linux/blob/v6.1/kernel/bpf/hashtab.c>).
    #[inline(always)]
    pub fn begin(self) {
        if remove(self.0) {
            count::add(Counter::TagsLeftOver);
        }
    }

    /// Forgets a task that is no more.
    #[inline(always)]
    pub fn end(self) {
        let _was_there = remove(self.0);
    }
}

/// The state of the current task, made where there is none. None where there is no room.
#[inline(always)]
pub fn create_current() -> Option<&'static mut TaskState> {
    let state = Place(current_address()).get_or_create()?;
    state.tid = task::tid(task::current());
    Some(state)
}

/// Whether the current task can be an agent's. Of most tasks of a host this is said without a look-up.
#[inline(always)]
pub fn can_be_current() -> bool {
    is_counted(current_address())
}

#[inline(always)]
fn look_up(address: u64) -> Tag {
    if !is_counted(address) {
        return Tag::None;
    }
    match get(address) {
        Some(state) if state.agent != 0 => Tag::Agent(state),
        Some(state) if state.becoming != 0 => Tag::Becoming(state),
        _ => Tag::None,
    }
}

#[inline(always)]
fn remove(address: u64) -> bool {
    let Some(slot) = slot(address) else { return false };
    if count_of(slot) == 0 {
        return false;
    }
    Place(address).forget();
    // Only one succeeds in removing an entry: each is taken off the count once.
    let removed = TASKS.remove(address).is_ok();
    if removed {
        add(slot.cast(), u64::MAX);
    }
    removed
}

#[inline(always)]
fn get(address: u64) -> Option<&'static mut TaskState> {
    let state = TASKS.get_ptr_mut(address)?;
    // SAFETY: an entry has its place until it is removed, which happens when its task is freed. Programs that run for this
    // task write it, and from elsewhere only what the iterator and a fork give to one that has none.
    unsafe { state.as_mut() }
}

/// Whether an entry falls into the slot of this address.
#[inline(always)]
fn is_counted(address: u64) -> bool {
    // Without the map nothing can be said, and the look-up decides.
    slot(address).is_none_or(|slot| count_of(slot) != 0)
}

/// The slot into which an address falls.
#[inline(always)]
fn slot(address: u64) -> Option<*mut TagSlot> {
    let slots = SLOTS.get_ptr_mut(0)?;
    let index = (address >> 6 ^ address >> 18) as usize & (TAG_SLOTS - 1);
    // SAFETY: the slot of an array map is memory for ever.
    Some(unsafe { &raw mut (*slots).slots[index] })
}

#[inline(always)]
fn count_of(slot: *mut TagSlot) -> u64 {
    // SAFETY: the pointer is one of `slot`. What is written there is written whole.
    unsafe { (&raw const (*slot).count).read_volatile() }
}

#[inline(always)]
fn known_of(slot: *mut TagSlot) -> u64 {
    // SAFETY: as above.
    unsafe { (&raw const (*slot).known).read_volatile() }
}

/// Adds at once, whatever other processors do meanwhile. The core library has no such addition for BPF.
#[inline(always)]
fn add(to: *mut u64, number: u64) {
    // SAFETY: the pointer is one of `slot`, of which the count is the first field, or into `taggings`, and all write there
    // in this way.
    unsafe { asm!("lock *(u64 *)({} + 0) += {}", in(reg) to, in(reg) number) };
}

/// Whichever of two that write at once is later: both are right, or the other one was just taken away.
#[inline(always)]
fn write(slot: *mut TagSlot, known: u64) {
    // SAFETY: the pointer is one of `slot`.
    unsafe { (&raw mut (*slot).known).write_volatile(known) };
}

#[inline(always)]
fn current_address() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task() }
}

/// The address as a number. The verifier lets nobody reckon with a pointer, but take one from another, and of the current
/// task it gives the number as well.
#[inline(always)]
fn address(task: Task) -> u64 {
    let apart = (task as u64).wrapping_sub(task::current() as u64);
    // SAFETY: it is a variable of this function. Volatile, or the compiler would change the order of the sum.
    let apart = unsafe { core::ptr::read_volatile(&raw const apart) };
    current_address().wrapping_add(apart)
}

/// What a task begins with. A static: on the stack it would have to be written first.
static NEW: TaskState = TaskState {
    agent: 0,
    home: 0,
    hold: 0,
    passing: 0,
    run: 0,
    stop_sent_at: 0,
    argv_at: 0,
    argv_rest: 0,
    argc: 0,
    argv_length: 0,
    argv_first: 0,
    envc: 0,
    rang_at: 0,
    becoming: 0,
    tid: 0,
    waited_at: 0,
    letting: 0,
    ended: 0,
    marks: 0,
    pad: 0,
    spare: 0,
};
