//! WebPs, chunk by chunk, and bit by bit where they are lossless.

pub fn riff(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF", &u32::try_from(chunks.len() + 4).unwrap().to_le_bytes()[..], b"WEBP", chunks].concat()
}

pub fn webp_lossless(width: u32, height: u32) -> Vec<u8> {
    let size = (width - 1) | (height - 1) << 14;
    riff(&[&b"VP8L\x0A\0\0\0\x2F"[..], &size.to_le_bytes(), &[0; 5]].concat())
}

pub fn riff_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [name, &u32::try_from(content.len()).unwrap().to_le_bytes()[..], content, &[0][..content.len() % 2]].concat()
}

/// The header of an extended file with a canvas of `side` by `side`.
pub fn webp_header(flags: u8, side: u32) -> Vec<u8> {
    let side = (side - 1).to_le_bytes();
    riff_chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &side[..3], &side[..3]].concat())
}

/// The lossless bitstream of a picture of one colour: four alphabets and that of distances have one symbol each, of no bits.
pub fn flat(side: u32) -> Vec<u8> {
    let width_and_height = (side - 1) | (side - 1) << 14;
    // no transform, no cache, no groups; five times: a simple code, of one symbol, which has one bit, and is 0
    let codes = (0..5).fold(0_u32, |bits, code| bits | 0b0001 << (3 + code * 4));
    riff_chunk(b"VP8L", &[&[0x2F][..], &width_and_height.to_le_bytes(), &codes.to_le_bytes()].concat())
}

/// An animation with a frame as large as its canvas, whose bitstream is larger.
pub fn webp_frame(canvas: u32, bitstream: u32) -> Vec<u8> {
    let side = (canvas - 1).to_le_bytes();
    let frame = [&[0; 6][..], &side[..3], &side[..3], &[100, 0, 0, 0], &flat(bitstream)].concat();
    riff(&[webp_header(2, canvas), riff_chunk(b"ANIM", &[0; 6]), riff_chunk(b"ANMF", &frame)].concat())
}

/// An animation of two small frames, behind so many empty chunks of a kind that nobody knows.
pub fn webp_junk(chunks: usize) -> Vec<u8> {
    let side = 99_u32.to_le_bytes();
    let frame = riff_chunk(b"ANMF", &[&[0; 6][..], &side[..3], &side[..3], &[100, 0, 0, 0], &flat(100)].concat());
    let junk = riff_chunk(b"JUNK", &[]).repeat(chunks);
    riff(&[webp_header(2, 100), riff_chunk(b"ANIM", &[0; 6]), junk, frame.repeat(2)].concat())
}

/// An animation of so many frames as large as its canvas, each of one colour, in whose heads an image of a sixteenth of its pixels, of no bits,
/// comes first.
pub fn webp_heads((width, height): (u32, u32), frames: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // a transform: predictors, for blocks of 4 by 4; their image has no cache
    bits.put(0b1, 7);
    bits.nothing(5);
    // no other transform, no cache, no groups
    bits.put(0, 3);
    bits.nothing(5);
    let data = bits.bytes();
    let (right, bottom) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
    let size = (width - 1) | (height - 1) << 14;
    let picture = riff_chunk(b"VP8L", &[&[0x2F][..], &size.to_le_bytes(), &data].concat());
    let frame = riff_chunk(b"ANMF", &[&[0; 6][..], &right[..3], &bottom[..3], &[100, 0, 0, 0], &picture].concat());
    let header = riff_chunk(b"VP8X", &[&[2, 0, 0, 0][..], &right[..3], &bottom[..3]].concat());
    riff(&[header, riff_chunk(b"ANIM", &[0; 6]), frame.repeat(frames)].concat())
}

pub fn webp_canvas() -> Vec<u8> {
    riff(&[&b"VP8X\x0A\0\0\0\x02\0\0\0"[..], &[0xFF; 6], b"ANIM\x06\0\0\0\0\0\0\0\0\0"].concat())
}

/// Bits from the lowest on.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).map(|bit| value >> bit & 1 == 1));
    }

    /// Codes of one symbol each, which is 0 and takes no bits.
    fn nothing(&mut self, codes: u32) {
        (0..codes).for_each(|_| self.put(0b0001, 4));
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect()
    }

    /// A code in which each of the first 256 of `symbols` has 8 bits.
    fn code_of_bytes(&mut self, symbols: usize) {
        self.put(0, 1);
        // 12 codes of lengths in the order of the format, of which those of 0 and of 8 have one bit
        self.put(8, 4);
        for length in [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8] {
            self.put(u32::from(length == 0 || length == 8), 3);
        }
        self.put(0, 1);
        (0..symbols).for_each(|symbol| self.put(u32::from(symbol < 256), 1));
    }
}

/// A lossless picture of one colour, whose blocks of 4 by 4 have Huffman tables of their own, up to so many groups of them.
pub fn webp_groups(side: u32, groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    // no transform, no cache, but groups, in blocks of 4 by 4; the image of the groups has no cache
    bits.put(0b100, 7);
    bits.code_of_bytes(280);
    bits.code_of_bytes(256);
    bits.nothing(3);
    for block in 0..side.div_ceil(4).pow(2) {
        let [low, high, ..] = (block % groups).to_le_bytes();
        bits.put(u32::from(low.reverse_bits()), 8);
        bits.put(u32::from(high.reverse_bits()), 8);
    }
    bits.nothing(5 * groups);
    let data = bits.bytes();
    let width_and_height = (side - 1) | (side - 1) << 14;
    riff(&riff_chunk(b"VP8L", &[&[0x2F][..], &width_and_height.to_le_bytes(), &data].concat()))
}
