//! GIFs: canvases, frames, ends. Those that stay animations are in `animations`.

use super::{Alpha, Damaged, Either, Points, Row, Within, check, refused, row, sized};

pub(super) const COLOURS: [[u8; 3]; 8] = [[200, 40, 40], [40, 160, 70], [50, 70, 200], [230, 210, 60], [255; 3], [0; 3], [0; 3], [0; 3]];

/// A frame of a GIF with [`COLOURS`].
#[derive(Clone)]
pub(super) struct Frame {
    /// Left, top, width, height.
    pub(super) place: [u16; 4],
    pub(super) pixels: Vec<u8>,
    pub(super) transparent: Option<u8>,
    /// 1 is to be left, 2 cleared.
    pub(super) disposal: u8,
    /// Hundredths of a second.
    pub(super) delay: u16,
    pub(super) interlaced: bool,
}

impl Frame {
    pub(super) fn new(place: [u16; 4], pixel: impl Fn(usize, usize) -> u8) -> Self {
        let [_, _, width, height] = place.map(usize::from);
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
        Self { place, pixels, transparent: None, disposal: 1, delay: 10, interlaced: false }
    }

    /// Of one colour.
    pub(super) fn flat(place: [u16; 4], colour: u8) -> Self {
        Self::new(place, |_, _| colour)
    }

    /// A colour in each quarter.
    pub(super) fn quarters() -> Self {
        Self::new([0, 0, 60, 60], |x, y| (x / 30 + y / 30 * 2) as u8)
    }

    fn bytes(&self) -> Vec<u8> {
        let packed = self.disposal << 2 | u8::from(self.transparent.is_some());
        let [delay, delay_high] = self.delay.to_le_bytes();
        let mut bytes = vec![0x21, 0xF9, 4, packed, delay, delay_high, self.transparent.unwrap_or(0), 0, 0x2C];
        bytes.extend(self.place.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend([u8::from(self.interlaced) << 6, 3]);
        let rows: Vec<&[u8]> = self.pixels.chunks(usize::from(self.place[2]).max(1)).collect();
        let order: Vec<usize> = if self.interlaced {
            [(0, 8), (4, 8), (2, 4), (1, 2)].iter().flat_map(|&(start, step)| (start..rows.len()).step_by(step)).collect()
        } else {
            (0..rows.len()).collect()
        };
        let pixels = order.iter().flat_map(|&row| rows[row].to_vec()).collect::<Vec<u8>>();
        let data = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 3).encode(&pixels).unwrap();
        bytes.extend(data.chunks(255).flat_map(|block| [&[block.len() as u8], block].concat()));
        bytes.push(0);
        bytes
    }
}

/// The head of a file, with how often it plays.
fn head(version: &[u8], (width, height): (u16, u16), loops: Option<u16>) -> Vec<u8> {
    let mut bytes = [version, &width.to_le_bytes(), &height.to_le_bytes(), &[0x82, 0, 0], COLOURS.as_flattened()].concat();
    if let Some(loops) = loops {
        bytes.extend([&b"\x21\xFF\x0BNETSCAPE2.0\x03\x01"[..], &loops.to_le_bytes(), &[0]].concat());
    }
    bytes
}

pub(super) fn gif(size: (u16, u16), loops: Option<u16>, frames: &[Frame]) -> Vec<u8> {
    let frames: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    [head(b"GIF89a", size, loops), frames, vec![0x3B]].concat()
}

pub(super) fn quarters(first: [u8; 3]) -> super::Right {
    Points(vec![(0.2, 0.2, first, 12), (0.8, 0.2, COLOURS[1], 12), (0.2, 0.8, COLOURS[2], 12), (0.8, 0.8, COLOURS[3], 12)])
}

fn stills() -> Vec<Row> {
    let whole = Frame::quarters();
    let one = |frame: &Frame| gif((60, 60), None, std::slice::from_ref(frame));
    let plain = one(&whole);
    let shown = || vec![quarters(COLOURS[0]), Within(100 << 20)];
    let seventh = [head(b"GIF87a", (60, 60), None), whole.bytes()[8..].to_vec(), vec![0x3B]].concat();
    let comment = [&plain[..plain.len() - 1], b"\x21\xFE\x05hello\0\x3B"].concat();
    // the fifth colour and those behind it are not in the palette of four
    let mut short = [b"GIF89a\x3C\0\x3C\0\x81\0\0", COLOURS[..4].as_flattened()].concat();
    short.extend(
        [Frame::new([0, 0, 60, 60], |x, y| if x == 30 && y == 30 { 6 } else { (x / 30 + y / 30 * 2) as u8 }).bytes(), vec![0x3B]].concat(),
    );
    let mut rows: Vec<_> = [
        ("plain", plain.clone()),
        ("interlaced", one(&Frame { interlaced: true, ..whole.clone() })),
        ("no-trailer", plain[..plain.len() - 1].to_vec()),
        ("comment-only-ext", comment),
        ("gif87", seventh),
        ("index-past-palette", short),
        ("frame-far", gif((60, 60), Some(0), &[whole.clone(), Frame::flat([65_000, 65_000, 9, 9], 1)])),
    ]
    .into_iter()
    .map(|(name, file)| row(name, file, "60x60", shown()))
    .collect();
    let transparent = one(&Frame { transparent: Some(0), ..whole.clone() });
    rows.push(row("transparent", transparent, "60x60", vec![quarters([255; 3]), Alpha(vec![(0.2, 0.2, 0), (0.8, 0.2, 255)])]));
    let part = one(&Frame::flat([15, 15, 30, 30], 1));
    let points = Points(vec![(0.5, 0.5, COLOURS[1], 12), (0.1, 0.1, [255; 3], 12)]);
    rows.push(row("partial-first", part, "60x60", vec![points, Alpha(vec![(0.1, 0.1, 0), (0.5, 0.5, 255)])]));
    rows
}

fn broken() -> Vec<Row> {
    let whole = Frame::quarters();
    let one = |size, frame: &Frame| gif(size, None, std::slice::from_ref(frame));
    let plain = one((60, 60), &whole);
    let second = gif((60, 60), Some(0), &[whole.clone(), Frame::new([0, 0, 60, 60], |x, y| ((x * 7 + y * 3) % 4) as u8)]);
    let cut = second[..second.len() - 200].to_vec();
    let first = gif((60, 60), None, &[Frame::new([0, 0, 60, 60], |x, y| ((x * 7 + y * 3) % 4) as u8)]);
    vec![
        // the canvas grows, as in libvips
        sized("frame-outside-right", one((60, 60), &Frame { place: [30, 0, 60, 60], ..whole.clone() }), "60x60", (60, 60), vec![]),
        Row(
            "frame-outside-whole".into(),
            one((60, 60), &Frame::flat([200, 200, 9, 9], 1)),
            "60x60".into(),
            None,
            vec![Either, Within(100 << 20)],
        ),
        row("canvas-0", one((0, 0), &whole), "60x60", vec![quarters(COLOURS[0])]),
        refused("no-frame", [head(b"GIF89a", (60, 60), None), vec![0x3B]].concat(), "60x60", Damaged),
        Row("truncated-gif".into(), first[..first.len() / 2].to_vec(), "60x60".into(), None, vec![Either]),
        row("truncated-second-keep", cut, "60x60 ANIMATION=keep", vec![quarters(COLOURS[0])]),
        refused("head-alone", plain[..10].to_vec(), "60x60", Damaged),
    ]
}

#[test]
fn gifs_of_the_reports_are_pictures_or_say_why_not() {
    check([stills(), broken()].into_iter().flatten().collect());
}
