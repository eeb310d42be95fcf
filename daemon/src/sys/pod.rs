//! Lets the records of `holdpoint-abi` be keys and values of maps.

use holdpoint_abi::{
    Allowance, Attaching, Declared, FileKey, Guard, Guarded, Hold, Listed, ListedBits, Meta, Offsets, Place,
    Retry, StandingOffsets, TaskState, UnitPattern,
};

/// A record that is shared with the kernel half, as aya wants it.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shared<T>(pub(crate) T);

/// A record in which every pattern of bits is a value, and every byte is a part of some field.
pub(crate) trait Record: Copy + 'static {}

impl Record for Allowance {}
impl Record for Attaching {}
impl Record for Declared {}
impl Record for FileKey {}
impl Record for Guard {}
impl Record for Guarded {}
impl Record for Hold {}
impl Record for Listed {}
impl Record for ListedBits {}
impl Record for Meta {}
impl Record for Offsets {}
impl Record for Place {}
impl Record for Retry {}
impl Record for StandingOffsets {}
impl Record for TaskState {}
impl Record for UnitPattern {}

// SAFETY: aya asks for types that can be copied to and from raw memory. `Record` is implemented above for
// structs of `holdpoint-abi` alone: they are `repr(C)`, hold integers and arrays of integers, and have no
// padding, which the size assertions in that crate show.
unsafe impl<T: Record> aya::Pod for Shared<T> {}
