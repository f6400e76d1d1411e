//! TIFFs of one strip.

/// A TIFF of 64 by 64 in CCITT's compression 2 or 4, whose first row has so many bytes of codes that make no pixels.
pub fn tiff_runs(compression: u32, bytes: usize) -> Vec<u8> {
    // white and black of no length, four times; after the code for such a pair, where rows are coded by those before
    let codes: &[u8] = if compression == 2 { b"001101010000110111" } else { b"001001101010000110111" };
    let bits = codes.repeat(8);
    let codes: Vec<u8> = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'))).collect();
    tiff_strip(compression, 1, &codes.repeat(bytes / codes.len()))
}

/// A TIFF of 64 by 64 with so many bytes of LZW codes that only clear the table.
pub fn tiff_clears(bytes: usize) -> Vec<u8> {
    tiff_strip(5, 8, &[0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0].repeat(bytes / 9))
}

/// A TIFF of 64 by 64 in one strip.
fn tiff_strip(compression: u32, bits: u32, strip: &[u8]) -> Vec<u8> {
    let entry = |tag: u16, value: u32| [&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat();
    let entries = [
        entry(256, 64),
        entry(257, 64),
        entry(258, bits),
        entry(259, compression),
        entry(262, 0),
        entry(273, 8 + 2 + 8 * 12 + 4),
        entry(278, 64),
        entry(279, u32::try_from(strip.len()).unwrap()),
    ];
    [b"II*\0\x08\0\0\0\x08\0", &entries.concat()[..], &[0; 4], strip].concat()
}

pub fn tiff(width: u32, height: u32) -> Vec<u8> {
    let entry = |tag: u16, value: u32| [&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat();
    let entries = [
        entry(256, width),
        entry(257, height),
        entry(258, 8),
        entry(259, 1),
        entry(262, 1),
        entry(273, 8),
        entry(278, height),
        entry(279, 100),
    ];
    [b"II*\0\x08\0\0\0\x08\0", &entries.concat()[..], &[0; 4]].concat()
}
