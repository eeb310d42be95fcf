//! A name, as it is looked for in the lists.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use holdpoint_abi::{NAME_LENGTH, Name};

use super::Pointer;

/// A name, padded with zeros. In words, so that two are compared in eight steps and not in 64.
#[repr(transparent)]
pub struct Text([u64; NAME_LENGTH / 8]);

impl Text {
    /// No name, in a place of the caller's.
    #[inline(always)]
    pub fn begin(place: &mut MaybeUninit<Self>) -> &mut Self {
        let words = place.as_mut_ptr().cast::<[u64; NAME_LENGTH / 8]>();
        // SAFETY: a text is its words, and each of them is written.
        unsafe {
            zero(words.cast(), NAME_LENGTH / 8);
            place.assume_init_mut()
        }
    }

    /// Becomes so many bytes, at most `NAME_LENGTH`, of the kernel's memory.
    ///
    /// By eights, where a helper for strings goes byte by byte.
    #[inline(always)]
    pub fn copy(&mut self, from: Pointer, length: u32) -> Option<()> {
        clear(&mut self.0);
        if length > NAME_LENGTH as u32 {
            return None;
        }
        // SAFETY: the buffer is as long as it says or longer, and the helper checks the source address.
        let failed = unsafe { bpf_probe_read_kernel(self.0.as_mut_ptr().cast(), length, from) };
        (failed == 0).then_some(())
    }

    /// The same of the current process's memory. None also where a page is not there: it is not waited for.
    #[inline(always)]
    pub fn copy_from_user(&mut self, from: u64, length: u32) -> Option<()> {
        clear(&mut self.0);
        if length > NAME_LENGTH as u32 {
            return None;
        }
        let from = from as usize as Pointer;
        // SAFETY: the buffer is as long as it says or longer, and the helper checks the source address.
        let failed = unsafe { bpf_probe_read_user(self.0.as_mut_ptr().cast(), length, from) };
        (failed == 0).then_some(())
    }

    /// Becomes no name.
    #[inline(always)]
    pub fn clear(&mut self) {
        clear(&mut self.0);
    }

    #[inline(always)]
    pub fn as_name(&self) -> &Name {
        // SAFETY: the array has `NAME_LENGTH` bytes, each of which is a byte, and the reference lives as long as this one.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// The first eight bytes.
    #[inline(always)]
    pub fn first_word(&self) -> u64 {
        self.0[0]
    }

    /// Whether these are the same words.
    #[inline(always)]
    pub fn is(&self, words: &[u64]) -> bool {
        let mut differs = 0;
        let mut index = 0;
        while index < NAME_LENGTH / 8 {
            differs |= self.0[index] ^ words[index];
            index += 1;
        }
        differs == 0
    }
}

/// Zeros, in a place of the caller's.
#[inline(always)]
pub fn begin<const N: usize>(place: &mut MaybeUninit<[u64; N]>) -> &mut [u64; N] {
    // SAFETY: each word is written.
    unsafe {
        zero(place.as_mut_ptr().cast(), N);
        place.assume_init_mut()
    }
}

/// Stores zeros.
#[inline(always)]
pub fn clear<const N: usize>(words: &mut [u64; N]) {
    // SAFETY: the array has so many words.
    unsafe { zero(words.as_mut_ptr(), N) };
}

/// Stores zeros word by word: what the compiler makes of a plain assignment is a call of a function that stores byte by
/// byte.
///
/// # Safety
/// So many words can be written there.
#[inline(always)]
unsafe fn zero(words: *mut u64, count: usize) {
    let mut index = 0;
    while index < count {
        // SAFETY: the caller says so.
        unsafe { words.add(index).write_volatile(0) };
        index += 1;
    }
}
