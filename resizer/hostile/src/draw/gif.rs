//! GIFs, block by block.

/// An endless GIF of these frames, of which each has the pixels of one by one.
pub fn gif(width: u16, height: u16, frames: &[(u16, u16)]) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend_from_slice(&width.to_le_bytes());
    bytes.extend_from_slice(&height.to_le_bytes());
    bytes.extend_from_slice(&[0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    bytes.extend_from_slice(b"\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0");
    for (width, height) in frames {
        bytes.extend_from_slice(&[0x21, 0xF9, 4, 0, 1, 0, 0, 0, 0x2C, 0, 0, 0, 0]);
        bytes.extend_from_slice(&width.to_le_bytes());
        bytes.extend_from_slice(&height.to_le_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&lzw(usize::from(*width).min(10) * usize::from(*height).min(10)));
    }
    bytes.push(0x3B);
    bytes
}

/// A GIF with an extension, whose first block is of 11 bytes, if it is of an application.
pub fn gif_with(label: u8, content: &[u8]) -> Vec<u8> {
    let plain = gif(10, 10, &[(10, 10)]);
    // behind the header and its two colours
    let (head, rest) = plain.split_at(13 + 6);
    let (name, content) = content.split_at(if label == 0xFF { 11 } else { 0 });
    let blocks = [name].into_iter().chain(content.chunks(255)).filter(|block| !block.is_empty());
    let blocks: Vec<u8> = blocks.flat_map(|block| [&[u8::try_from(block.len()).unwrap()], block].concat()).collect();
    [head, &[0x21, label], &blocks, &[0], rest].concat()
}

/// So many pixels of colour 0, as codes of 3 bits, with a clear code before each pair so that they stay so short.
fn lzw(pixels: usize) -> Vec<u8> {
    let codes = (0..pixels).flat_map(|pixel| if pixel % 2 == 0 { vec![4, 0] } else { vec![0] }).chain([5_u32]);
    let (mut bits, mut held, mut data) = (0_u32, 0, Vec::new());
    for code in codes {
        bits |= code << held;
        held += 3;
        while held >= 8 {
            data.push(bits.to_le_bytes()[0]);
            bits >>= 8;
            held -= 8;
        }
    }
    data.push(bits.to_le_bytes()[0]);
    let mut bytes = vec![2];
    for block in data.chunks(255) {
        bytes.push(u8::try_from(block.len()).unwrap());
        bytes.extend_from_slice(block);
    }
    bytes.push(0);
    bytes
}
