//! Tables and scans → the bytes of a file.
//!
//! Below the encoder, above the script.

use crate::{coefficients::Coefficients, scan::Part, script::Scan, tables::Quantisation};

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOF_BASELINE: u8 = 0xC0;
const SOF_PROGRESSIVE: u8 = 0xC2;
const DHT: u8 = 0xC4;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const APP0: u8 = 0xE0;

/// A marker and what follows it.
fn segment(file: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let length = u16::try_from(content.len() + 2).unwrap_or(u16::MAX);
    file.extend([0xFF, marker]);
    file.extend(length.to_be_bytes());
    file.extend(content);
}

/// Writes a file; nothing more is taken for it than it is long, and a little for zeros after bytes of ones.
pub(crate) fn write(all: &Coefficients, tables: &[Quantisation; 2], scans: &[Scan]) -> Vec<u8> {
    let bytes: usize = scans.iter().map(Scan::bytes).sum();
    let mut file = Vec::with_capacity(bytes + bytes / 64 + 256);
    file.extend([0xFF, SOI]);
    // version 1.1, square pixels, no thumbnail
    segment(&mut file, APP0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    frame(&mut file, all, tables, scans);
    for scan in scans {
        begin(&mut file, all, scan);
        scan.write(all, &mut file);
    }
    file.extend([0xFF, EOI]);
    file
}

fn frame(file: &mut Vec<u8>, all: &Coefficients, tables: &[Quantisation; 2], scans: &[Scan]) {
    let frame = &all.frame;
    let used = if frame.channels == 1 { &tables[..1] } else { &tables[..] };
    let steps: Vec<u8> = (0..).zip(used).flat_map(|(number, table)| [number].into_iter().chain(table.steps)).collect();
    segment(file, DQT, &steps);
    let [height, width] = [frame.height, frame.width].map(|side| u16::try_from(side).unwrap_or(u16::MAX).to_be_bytes());
    let mut content = vec![8, height[0], height[1], width[0], width[1], frame.channels as u8];
    for (number, component) in (1_u8..).zip(frame.components()) {
        content.extend([number, (component.across << 4 | component.down) as u8, u8::from(number > 1)]);
    }
    let baseline = scans.iter().all(|scan| scan.part == Part::Whole);
    segment(file, if baseline { SOF_BASELINE } else { SOF_PROGRESSIVE }, &content);
}

/// The codes and the header of a scan.
fn begin(file: &mut Vec<u8>, all: &Coefficients, scan: &Scan) {
    let mut codes = vec![];
    // class and number
    for (name, code) in [0x00, 0x01, 0x10, 0x11].into_iter().zip(&scan.codes) {
        if let Some(code) = code {
            codes.push(name);
            codes.extend(code.definition());
        }
    }
    if !codes.is_empty() {
        segment(file, DHT, &codes);
    }
    let components = 0..all.planes.len() as u8;
    let (components, [first, last, bits]) = match scan.part {
        Part::Whole => (components, [0, 63, 0]),
        Part::Dc => (components, [0, 0, 0]),
        Part::Ac { component, first, last, low } => (component..component + 1, [first, last, low]),
        Part::AcNext { component, first, last, low } => (component..component + 1, [first, last, (low + 1) << 4 | low]),
    };
    let of_chroma = |component: u8| match scan.part {
        Part::Whole => u8::from(component > 0) * 0x11,
        Part::Dc => u8::from(component > 0) * 0x10,
        _ => 0,
    };
    let mut content = vec![components.len() as u8];
    components.for_each(|component| content.extend([component + 1, of_chroma(component)]));
    content.extend([first, last, bits]);
    segment(file, SOS, &content);
}
