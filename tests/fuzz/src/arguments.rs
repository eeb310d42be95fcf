//! Arguments and environment in a process's memory, where its pointers may lead anywhere.

use holdpoint_core::{
    alleged::Alleged,
    config::Show,
    escape,
    memory::{Limits, Memory},
};

use super::text::is_plain;

const PAGE: usize = 4096;
/// Where the memory begins: low, so that pointers into it are soon found.
const BASE: u64 = 4096;
/// Few, so that they are soon exceeded.
const LIMITS: Limits = Limits { strings: 12, bytes: 300 };

/// What is read in pieces is what one who reads byte by byte would find, within the limits.
///
/// The first byte says how wide pointers are and whether memory is read as far as it goes or not at all; the second, at
/// which of its words the array begins. The rest is the memory, filled up to whole pages; before and after it there is none.
pub fn arguments(bytes: &[u8]) {
    let [how, at, content @ ..] = bytes else { return };
    let mut pages = content.to_vec();
    pages.resize(content.len().next_multiple_of(PAGE), 0);
    let width = if how & 1 == 0 { 4 } else { 8 };
    let array = BASE + u64::from(*at) * 4;
    let as_far_as_it_goes = how & 2 == 0;
    let mut memory = Memory::new(|into: &mut [u8], at: u64| {
        let rest = from(&pages, at).ok_or(())?;
        if rest.len() < into.len() && !as_far_as_it_goes {
            return Err(());
        }
        let count = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        Ok(count)
    });
    let read = memory.strings(array, width, LIMITS);
    assert_eq!(read.as_ref().ok(), one_by_one(&pages, array, width).as_ref(), "{:?}", read.as_ref().err());
    let path = memory.string(array, 16);
    assert_eq!(path.ok(), byte_by_byte(&pages, array).filter(|path| path.len() <= 16));
    let Ok(strings) = read else { return };
    for (name, value) in (Show { environment: vec!["*".to_owned()] }).shown(&strings) {
        is_plain(&name);
        is_plain(&value.shown());
    }
    let argv: Vec<Alleged> = strings.into_iter().map(Alleged).collect();
    is_plain(&escape::command(&argv, 100));
}

fn from(pages: &[u8], at: u64) -> Option<&[u8]> {
    let offset = usize::try_from(at.checked_sub(BASE)?).ok()?;
    pages.get(offset..).filter(|rest| !rest.is_empty())
}

fn byte_by_byte(pages: &[u8], at: u64) -> Option<Vec<u8>> {
    let rest = from(pages, at)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    rest.get(..end).map(<[u8]>::to_vec)
}

fn one_by_one(pages: &[u8], array: u64, width: u64) -> Option<Vec<Vec<u8>>> {
    let (mut strings, mut length) = (Vec::new(), 0);
    for index in 0.. {
        let mut bytes = [0; 8];
        let slot = bytes.get_mut(..usize::try_from(width).ok()?)?;
        slot.copy_from_slice(from(pages, array + index * width)?.get(..slot.len())?);
        let pointer = u64::from_le_bytes(bytes);
        if pointer == 0 {
            break;
        }
        if strings.len() == LIMITS.strings {
            return None;
        }
        strings.push(pointer);
    }
    let mut read = Vec::new();
    for pointer in strings {
        let string = byte_by_byte(pages, pointer)?;
        length += string.len() + 1;
        if length > LIMITS.bytes {
            return None;
        }
        read.push(string);
    }
    Some(read)
}
