//! The keyed hash over the arguments of an exec: SipHash-2-4 with 128 bits.
//!
//! The one piece of logic in this crate: the hash is part of the format, and what the kernel half computes must be
//! what a test in user space can check.

/// SipHash-2-4-128 (Aumasson and Bernstein, <https://www.aumasson.jp/siphash/siphash.pdf>) over whole words.
///
/// The message is one word of [`header`], then the arguments with the zero after each, filled up with zeros to whole
/// words. Number and length come first, so that no boundary can be moved: two different lists of
/// arguments are two different messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipHash {
    /// The state. The kernel half keeps it in a record between words.
    pub state: [u64; 4],
}

/// Bytes that the kernel half reads at a time of what an approval is bound to: the message is filled up to whole blocks.
pub const BOUND_BLOCK: usize = 64;

/// Bytes of arguments, environment and path together that an approval can be bound to. Beyond them an exec is killed at
/// commit, and before that the daemon has refused it with the reason: it shows less than this.
pub const MAX_BOUND_BYTES: u64 = 2 << 20;

/// The first words of the message that binds an approval: then come the arguments, the environment and the path as
/// called, as they lie in the new program's memory, each string with its zero, filled up with zeros to whole blocks of
/// [`BOUND_BLOCK`].
///
/// The strings alone do not say where the arguments end: a variable could be moved among them.
#[must_use]
#[inline(always)]
pub const fn bound_header(argc: u32, envc: u32, length: u64) -> [u64; 2] {
    [argc as u64 | (envc as u64) << 32, length]
}

/// The first word of the message.
#[must_use]
#[inline(always)]
pub const fn header(argc: u32, length: u32) -> u64 {
    argc as u64 | (length as u64) << 32
}

impl SipHash {
    /// The start, for a key.
    #[must_use]
    #[inline(always)]
    pub const fn new(key: [u64; 2]) -> Self {
        Self {
            state: [
                key[0] ^ 0x736f_6d65_7073_6575,
                // The 128-bit variant differs here and at the end.
                key[1] ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                key[0] ^ 0x6c79_6765_6e65_7261,
                key[1] ^ 0x7465_6462_7974_6573,
            ],
        }
    }

    /// Takes one word of the message.
    #[inline(always)]
    pub const fn word(&mut self, word: u64) {
        self.state[3] ^= word;
        self.round();
        self.round();
        self.state[0] ^= word;
    }

    /// Ends a message of so many words.
    #[must_use]
    #[inline(always)]
    pub const fn finish(mut self, words: u64) -> [u64; 2] {
        self.word(words << 3 << 56);
        self.state[2] ^= 0xee;
        let low = self.last();
        self.state[1] ^= 0xdd;
        [low, self.last()]
    }

    #[inline(always)]
    const fn last(&mut self) -> u64 {
        self.round();
        self.round();
        self.round();
        self.round();
        self.state[0] ^ self.state[1] ^ self.state[2] ^ self.state[3]
    }

    #[inline(always)]
    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.state;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.state = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference vectors of the authors (<https://github.com/veorq/SipHash/blob/master/vectors.h>,
    /// `vectors_sip128`): key 00 01 .. 0f, message 00 01 .. of the length given.
    #[test]
    fn whole_words_hash_as_the_authors_say() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let of_words = |words: &[u64]| {
            let mut hash = SipHash::new(key);
            words.iter().for_each(|word| hash.word(*word));
            hash.finish(words.len() as u64)
        };
        let bytes = |text: [u8; 16]| {
            [
                u64::from_le_bytes(text[..8].try_into().unwrap()),
                u64::from_le_bytes(text[8..].try_into().unwrap()),
            ]
        };
        let nothing =
            [0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93];
        assert_eq!(of_words(&[]), bytes(nothing));
        let eight =
            [0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97, 0xb4];
        assert_eq!(of_words(&[0x0706_0504_0302_0100]), bytes(eight));
    }
}
