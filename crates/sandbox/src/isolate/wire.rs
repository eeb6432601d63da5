//! Frames between the host and a worker.
//!
//! `u32 length | u8 kind | u8 flags | u16 zero | u32 task | u32 call`, little
//! endian, then `length` bytes. Texts travel as UTF-8, untouched. This file
//! writes and splits frames; whether a frame makes sense is judged by its
//! reader: at the host's end with suspicion (`link.rs`), in the worker without.

use crate::limits::FRAME_BYTES_MAX;

/// Said by the worker with its first frame; one of another version is refused. Part of
/// the engine's digest too: programs recorded under another version are not resumed.
pub(super) const WIRE_VERSION: u8 = 2;

pub(super) const HEADER_BYTES: usize = 16;
/// Bytes of `struct params` in `engine.c`.
pub(super) const PARAMS_BYTES: usize = 72;

/// What a frame is. Below 0x80 from the host, above from the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// params, u64 compute limit in ms, u64 compute used in ms, then the code or, with
    /// flags 1, the memory of a snapshot
    Start = 0x01,
    /// f64 now, f64 elapsed, JSON; flags 1 for a value, 0 for an error; call
    Deliver = 0x02,
    /// f64 now, f64 elapsed
    Advance = 0x03,
    Cancel = 0x04,
    Ping = 0x05,
    /// Asks for the memory of a task at rest
    Snapshot = 0x06,
    /// JSON: the layers; flags the version of the wire; sent once
    Hello = 0x81,
    /// u32 line, u32 column, u32 path length, u32 arguments length, path, arguments, options; call
    Call = 0x82,
    /// text; flags level
    Log = 0x83,
    /// u64 compute, f64 next timer or negative; call: how many are pending
    TurnEnd = 0x84,
    /// u64 compute, JSON; flags 1 for undefined
    Done = 0x85,
    /// u64 compute, JSON of name, message, stack, toolError; flags code
    Failed = 0x86,
    /// Nothing of this task is left; answers Cancel
    Gone = 0x87,
    Pong = 0x88,
    /// The packed memory; empty when there is none to be had
    Memory = 0x89,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        const ALL: [Kind; 15] = [
            Kind::Start,
            Kind::Deliver,
            Kind::Advance,
            Kind::Cancel,
            Kind::Ping,
            Kind::Snapshot,
            Kind::Hello,
            Kind::Call,
            Kind::Log,
            Kind::TurnEnd,
            Kind::Done,
            Kind::Failed,
            Kind::Gone,
            Kind::Pong,
            Kind::Memory,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub kind: Kind,
    pub flags: u8,
    pub task: u32,
    pub call: u32,
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Appends a frame whose body is `parts`, one after the other.
    pub(super) fn write(
        out: &mut Vec<u8>,
        kind: Kind,
        flags: u8,
        (task, call): (u32, u32),
        parts: &[&[u8]],
    ) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).expect("every text is bounded far below 4 GiB");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[kind as u8, flags, 0, 0]);
        out.extend_from_slice(&task.to_le_bytes());
        out.extend_from_slice(&call.to_le_bytes());
        for part in parts {
            out.extend_from_slice(part);
        }
    }

    /// Splits the first frame off `input`. `Ok(None)`: more bytes are needed.
    ///
    /// # Errors
    /// What is wrong with the header; nothing after it can be trusted.
    pub(super) fn split(input: &[u8]) -> Result<Option<(Frame<'_>, usize)>, &'static str> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let [
            l0,
            l1,
            l2,
            l3,
            kind,
            flags,
            z0,
            z1,
            t0,
            t1,
            t2,
            t3,
            c0,
            c1,
            c2,
            c3,
        ] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > FRAME_BYTES_MAX {
            return Err("a frame longer than the limit");
        }
        let kind = Kind::from_byte(kind).ok_or("a frame of unknown kind")?;
        if z0 != 0 || z1 != 0 {
            return Err("a frame with reserved bits set");
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Frame {
            kind,
            flags,
            task: u32::from_le_bytes([t0, t1, t2, t3]),
            call: u32::from_le_bytes([c0, c1, c2, c3]),
            body,
        };
        Ok(Some((frame, HEADER_BYTES + length)))
    }
}

/// Reads fixed-size values off the front of a body.
pub(super) struct Body<'a>(pub &'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(u32::from_le_bytes(*head))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(u64::from_le_bytes(*head))
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.u64().map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_wait_for_their_last_byte() {
        let mut bytes = Vec::new();
        Frame::write(&mut bytes, Kind::Log, 3, (7, 9), &[b"ab", b"c"]);
        for short in 0..bytes.len() {
            assert_eq!(Frame::split(&bytes[..short]), Ok(None));
        }
        let (frame, used) = Frame::split(&bytes).unwrap().unwrap();
        assert_eq!(
            (frame.kind, frame.flags, frame.task, frame.call, frame.body),
            (Kind::Log, 3, 7, 9, &b"abc"[..])
        );
        assert_eq!(used, bytes.len());
    }

    #[test]
    fn hostile_headers_are_refused_before_any_body_is_read() {
        let mut good = Vec::new();
        Frame::write(&mut good, Kind::Pong, 0, (0, 0), &[]);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert!(Frame::split(&with(3, 0xff)).is_err(), "4 GiB announced");
        assert!(Frame::split(&with(4, 0x42)).is_err(), "unknown kind");
        assert!(Frame::split(&with(6, 1)).is_err(), "reserved bits");
    }
}
