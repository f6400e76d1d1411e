//! Rows of pixels → samples of each component for one row of MCUs: luma and chroma, chroma with fewer samples.
//!
//! Below the encoder, above the frame.

use crate::frame::Frame;

/// One sample is made of two by these, and of their neighbours by those: decoders enlarge chroma linearly, which smooths it, and this is sharper by as
/// much.
const INNER: f32 = 0.5 - OUTER;
const OUTER: f32 = -0.165;

/// Pixels converted at a time.
const AT_ONCE: usize = 16;

/// Samples of one component, zero in the middle of their range.
#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) stride: usize,
    pub(crate) samples: Vec<f32>,
}

impl Plane {
    fn new(stride: usize, rows: usize) -> Self {
        Self { stride, samples: vec![0.0; stride * rows] }
    }

    fn row(&mut self, row: usize) -> &mut [f32] {
        &mut self.samples[row * self.stride..][..self.stride]
    }
}

/// Samples of a row of MCUs.
#[derive(Debug)]
pub(crate) struct Strip {
    pub(crate) planes: Vec<Plane>,
    /// Chroma of all pixels, with a row above and one below.
    full: [Plane; 2],
    line: Vec<f32>,
}

/// Bytes of a strip.
pub(crate) fn memory(frame: &Frame) -> usize {
    let (across, down) = frame.shrink;
    let width = frame.mcu_columns * 8 * across;
    let samples = if frame.channels == 1 {
        width * 8
    } else {
        width * 8 * down + 2 * frame.mcu_columns * 64 + if across > 1 { 2 * width * (8 * down + 2) + width } else { 0 }
    };
    samples * size_of::<f32>()
}

impl Strip {
    pub(crate) fn new(frame: &Frame) -> Self {
        let (across, down) = frame.shrink;
        let planes = frame.components().iter().map(|component| Plane::new(component.stride * 8, component.down * 8)).collect();
        let width = if across > 1 { frame.mcu_columns * 8 * across } else { 0 };
        let full = [(); 2].map(|()| Plane::new(width, 8 * down + 2));
        Self { planes, full, line: vec![0.0; width] }
    }

    /// Fills it with the rows of pixels of a row of MCUs.
    pub(crate) fn fill(&mut self, pixels: &[u8], frame: &Frame, mcu_row: usize) {
        let height = 8 * frame.shrink.1;
        let bytes = frame.width * frame.channels;
        let pixel_row = |row: usize| &pixels[row.min(frame.height - 1) * bytes..][..bytes];
        let first = mcu_row * height;
        if frame.channels == 1 {
            for row in 0..height {
                let into = self.planes[0].row(row);
                into.iter_mut().zip(pixel_row(first + row)).for_each(|(into, &from)| *into = f32::from(from) - 128.0);
                extend(into, frame.width);
            }
            return;
        }
        let Self { planes, full, line, .. } = self;
        let [luma, blue, red] = &mut planes[..] else { return };
        if frame.shrink.0 == 1 {
            for row in 0..height {
                let rows = [luma.row(row), blue.row(row), red.row(row)];
                convert(pixel_row(first + row), frame.width, rows);
            }
            return;
        }
        let [full_blue, full_red] = full;
        for row in 0..height {
            convert(pixel_row(first + row), frame.width, [luma.row(row), full_blue.row(row + 1), full_red.row(row + 1)]);
        }
        if frame.shrink.1 == 2 {
            for (row, pixels) in [(0, first.saturating_sub(1)), (height + 1, first + height)] {
                convert(pixel_row(pixels), frame.width, [line, full_blue.row(row), full_red.row(row)]);
            }
        }
        self.shrink(frame.shrink.1);
    }

    /// Makes one sample of chroma of two or four.
    fn shrink(&mut self, down: usize) {
        for (plane, full) in self.planes[1..].iter_mut().zip(&self.full) {
            let row = |row: usize| &full.samples[row * full.stride..][..full.stride];
            for at in 0..8 {
                let line = if down == 2 {
                    let rows = row(2 * at).iter().zip(row(2 * at + 1)).zip(row(2 * at + 2).iter().zip(row(2 * at + 3)));
                    for (into, ((above, first), (second, below))) in self.line.iter_mut().zip(rows) {
                        *into = (first + second) * INNER + (above + below) * OUTER;
                    }
                    &self.line[..]
                } else {
                    row(at + 1)
                };
                halve(line, plane.row(at));
            }
        }
    }
}

/// One sample of two and a little of their neighbours.
fn halve(line: &[f32], into: &mut [f32]) {
    let (pairs, _) = line.as_chunks::<2>();
    let last = into.len() - 1;
    let value = |before: f32, &[first, second]: &[f32; 2], after: f32| (first + second) * INNER + (before + after) * OUTER;
    into[0] = value(line[0], &pairs[0], line[2.min(line.len() - 1)]);
    for (into, pairs) in into[1..].iter_mut().zip(pairs.windows(3)) {
        *into = value(pairs[0][1], &pairs[1], pairs[2][0]);
    }
    if last > 0 {
        into[last] = value(pairs[last - 1][1], &pairs[last], pairs[last][1]);
    }
}

/// Repeats the last sample of the picture up to the end of the row.
fn extend(row: &mut [f32], width: usize) {
    if let Some(&last) = row.get(width - 1) {
        row[width..].fill(last);
    }
}

/// RGB → luma, blue difference and red difference, after JFIF.
fn convert(pixels: &[u8], width: usize, rows: [&mut [f32]; 3]) {
    let [luma, blue, red] = rows;
    let mut pieces = pixels.chunks_exact(3 * AT_ONCE);
    let targets = luma.chunks_exact_mut(AT_ONCE).zip(blue.chunks_exact_mut(AT_ONCE)).zip(red.chunks_exact_mut(AT_ONCE));
    for (piece, ((luma, blue), red)) in pieces.by_ref().zip(targets) {
        let piece: &[u8; 3 * AT_ONCE] = piece.try_into().unwrap_or(&[0; 3 * AT_ONCE]);
        let channel = |channel: usize| std::array::from_fn::<f32, AT_ONCE, _>(|at| f32::from(piece[at * 3 + channel]));
        let (r, g, b) = (channel(0), channel(1), channel(2));
        for at in 0..AT_ONCE {
            let [y, cb, cr] = converted(r[at], g[at], b[at]);
            (luma[at], blue[at], red[at]) = (y, cb, cr);
        }
    }
    let done = width / AT_ONCE * AT_ONCE;
    for (at, &[r, g, b]) in pieces.remainder().as_chunks::<3>().0.iter().enumerate() {
        let [y, cb, cr] = converted(f32::from(r), f32::from(g), f32::from(b));
        (luma[done + at], blue[done + at], red[done + at]) = (y, cb, cr);
    }
    for row in [luma, blue, red] {
        extend(row, width);
    }
}

#[inline(always)]
fn converted(r: f32, g: f32, b: f32) -> [f32; 3] {
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [luma - 128.0, (b - luma) * (0.5 / 0.886), (r - luma) * (0.5 / 0.701)]
}
