//! Bytes → the boxes of ISO 14496-12 and their numbers. Nothing is copied.
//!
//! Below all that reads the container, above nothing.

/// Name and content of each box; the content of the last one may be cut off.
pub(super) fn boxes(content: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = Reader(content);
    std::iter::from_fn(move || {
        let (size, name) = (rest.u32()?, rest.array::<4>()?);
        let length = match size {
            0 => rest.0.len() as u64,
            1 => rest.number(8)?.checked_sub(16)?,
            size => u64::from(size).checked_sub(8)?,
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.0.len());
        Some((name, rest.take(length)?))
    })
}

/// Takes numbers, the highest byte first, from the front of what is left.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.first_chunk()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|&[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(|&bytes| u16::from_be_bytes(bytes))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(|&bytes| u32::from_be_bytes(bytes))
    }

    /// A number of so many bytes, of which 8 are the most.
    pub(super) fn number(&mut self, bytes: u8) -> Option<u64> {
        let taken = self.take(usize::from(bytes)).filter(|taken| taken.len() <= 8)?;
        Some(taken.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Two bytes, or four where a box is of a later version.
    pub(super) fn short_or_long(&mut self, is_long: bool) -> Option<u32> {
        if is_long { self.u32() } else { self.u16().map(u32::from) }
    }

    /// What a full box begins with: its version and its flags.
    pub(super) fn version(&mut self) -> Option<(u8, u32)> {
        let head = self.u32()?;
        Some((head.to_be_bytes()[0], head & 0x00FF_FFFF))
    }
}
