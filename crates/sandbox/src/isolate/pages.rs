//! A resting program's memory as the pages in which it differs from the image,
//! and in these as the difference, which is mostly zeros and packs well.
//!
//! Between turns a program has no native stack: its linear memory is all there
//! is of it. What is packed here is unpacked into a new instance of the same
//! image only; `snapshot.rs` holds the two to that. Packed bytes may have been
//! made by a worker that was taken over, so unpacking believes no number in them.

/// Bytes of one page of WebAssembly, by which memories grow.
pub(super) const WASM_PAGE_BYTES: usize = 64 << 10;
/// Unit of comparison: small, so that one changed word does not carry much else.
const PAGE_BYTES: usize = 1 << 10;
/// The C stack lies first (`--stack-first`) and is empty between turns: what is
/// left on it means nothing.
const STACK_BYTES: usize = 512 << 10;
/// Differing bytes beyond which a program is rebuilt by replay instead.
const DIFFERENT_BYTES_MAX: usize = 8 << 20;
/// Memory size and how many pages follow.
const HEAD_BYTES: usize = 8;

/// Differences to be laid over a fresh memory.
pub(super) struct Pages {
    /// Size the memory had.
    pub(super) memory_bytes: usize,
    numbers: usize,
    bytes: Vec<u8>,
}

/// Packs what `used` holds beyond `fresh`. `None` when it is more than can be carried.
pub(super) fn pack(fresh: &[u8], used: &[u8]) -> Option<Vec<u8>> {
    let nothing = [0; PAGE_BYTES];
    let different: Vec<usize> = (STACK_BYTES / PAGE_BYTES..used.len() / PAGE_BYTES)
        .filter(|number| {
            let place = number * PAGE_BYTES..(number + 1) * PAGE_BYTES;
            used[place.clone()] != *fresh.get(place).unwrap_or(&nothing)
        })
        .collect();
    if different.len() * PAGE_BYTES > DIFFERENT_BYTES_MAX {
        return None;
    }
    let word = |value: usize| u32::try_from(value).ok().map(u32::to_le_bytes);
    let mut out = Vec::with_capacity(HEAD_BYTES + different.len() * (PAGE_BYTES + 4));
    out.extend(word(used.len())?);
    out.extend(word(different.len())?);
    for number in &different {
        out.extend(word(*number)?);
    }
    for number in different {
        let place = number * PAGE_BYTES..(number + 1) * PAGE_BYTES;
        let before = fresh.get(place.clone()).unwrap_or(&nothing);
        out.extend(used[place].iter().zip(before).map(|(a, b)| a ^ b));
    }
    Some(lz4_flex::compress_prepend_size(&out))
}

/// Reads what [`pack`] made; `None` when it is something else.
pub(super) fn unpack(packed: &[u8]) -> Option<Pages> {
    let announced = u32::from_le_bytes(*packed.first_chunk()?) as usize;
    let most = HEAD_BYTES + DIFFERENT_BYTES_MAX / PAGE_BYTES * (PAGE_BYTES + 4);
    if announced > most {
        return None;
    }
    let bytes = lz4_flex::decompress_size_prepended(packed).ok()?;
    let word = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    };
    let (memory_bytes, numbers) = (word(0)?, word(4)?);
    let whole = bytes.len() == HEAD_BYTES + numbers.checked_mul(PAGE_BYTES + 4)?;
    whole.then_some(Pages {
        memory_bytes,
        numbers,
        bytes,
    })
}

impl Pages {
    /// Lays every difference over its place; `None` when one has no place there.
    pub(super) fn lay_over(&self, memory: &mut [u8]) -> Option<()> {
        let (numbers, contents) = self.bytes[HEAD_BYTES..].split_at(self.numbers * 4);
        let (numbers, _) = numbers.as_chunks::<4>();
        for (number, page) in numbers.iter().zip(contents.chunks_exact(PAGE_BYTES)) {
            let at = (u32::from_le_bytes(*number) as usize).checked_mul(PAGE_BYTES)?;
            let place = memory.get_mut(at..at + PAGE_BYTES)?;
            for (byte, difference) in place.iter_mut().zip(page) {
                *byte ^= difference;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 16 * WASM_PAGE_BYTES;

    #[test]
    fn a_memory_comes_back_without_its_stack() {
        let fresh: Vec<u8> = (0..BYTES).map(|i| (i / 977) as u8).collect();
        let mut used = fresh.clone();
        used.resize(BYTES + WASM_PAGE_BYTES, 0);
        for at in [0, STACK_BYTES, STACK_BYTES + 5_000, BYTES - 1, BYTES + 70] {
            used[at] ^= 0xff;
        }
        let pages = unpack(&pack(&fresh, &used).unwrap()).unwrap();
        assert_eq!((pages.memory_bytes, pages.numbers), (used.len(), 4));
        let mut restored = fresh.clone();
        restored.resize(pages.memory_bytes, 0);
        pages.lay_over(&mut restored).unwrap();
        assert!(restored[STACK_BYTES..] == used[STACK_BYTES..]);
        assert_eq!(restored[0], fresh[0], "the stack is not carried");
    }

    #[test]
    fn hostile_packages_write_nothing_outside() {
        let mut used = vec![0; BYTES];
        used[BYTES - 1] = 1;
        let good = pack(&vec![0; BYTES], &used).unwrap();
        let pages = unpack(&good).unwrap();
        assert!(pages.lay_over(&mut vec![0; BYTES]).is_some(), "control");
        assert!(pages.lay_over(&mut vec![0; BYTES / 2]).is_none());
        assert!(unpack(&[]).is_none());
        let mut bomb = good.clone();
        bomb[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack(&bomb).is_none(), "4 GiB announced");
        for cut in 0..good.len() {
            let _ = unpack(&good[..cut]);
        }
        for at in 0..good.len() {
            let mut bent = good.clone();
            bent[at] ^= 0x80;
            if let Some(pages) = unpack(&bent) {
                let _ = pages.lay_over(&mut vec![0; BYTES]);
            }
        }
    }

    #[test]
    fn what_is_too_much_is_not_carried() {
        let used = vec![1; STACK_BYTES + DIFFERENT_BYTES_MAX + PAGE_BYTES];
        assert!(pack(&[], &used).is_none());
    }
}
