//! JPEGs, segment by segment.

use super::picture;

/// Where [`jpeg`] has its frame header.
pub const SOF: usize = 2 + 69;

/// A flat JPEG: of each block's coefficients only "no difference" and "no more" are written, one zero bit each.
pub fn jpeg(frame: u8, width: u16, height: u16, components: u8, scans: usize, bytes_in_scan: usize) -> Vec<u8> {
    let mut bytes = before_scans(frame, (width, height), &vec![(1, 1); usize::from(components)]);
    let all: Vec<u8> = (1..=components).collect();
    for _ in 0..scans {
        scan(&mut bytes, &all, frame, bytes_in_scan);
    }
    bytes.extend_from_slice(&[0xFF, 0xD9]);
    bytes
}

/// A flat baseline JPEG with a scan for each component, of the samplings.
pub fn jpeg_scans(width: u16, height: u16, sampling: &[(u8, u8)]) -> Vec<u8> {
    let mut bytes = before_scans(0xC0, (width, height), sampling);
    let most = sampling.iter().fold((1, 1), |most, each| (each.0.max(most.0), each.1.max(most.1)));
    for (id, &(across, down)) in (1..).zip(sampling) {
        let blocks = |side: u16, own: u8, most: u8| (usize::from(side) * usize::from(own)).div_ceil(usize::from(most)).div_ceil(8);
        let bits = blocks(width, across, most.0) * blocks(height, down, most.1) * 2;
        scan(&mut bytes, &[id], 0xC0, bits / 8);
        if bits % 8 > 0 {
            // what is left of the last byte is ones
            bytes.push(0xFF >> (bits % 8));
        }
    }
    bytes.extend_from_slice(&[0xFF, 0xD9]);
    bytes
}

fn before_scans(frame: u8, (width, height): (u16, u16), sampling: &[(u8, u8)]) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    segment(&mut bytes, 0xDB, &[&[0][..], &[1; 64]].concat());
    let mut header = vec![8];
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&width.to_be_bytes());
    header.push(u8::try_from(sampling.len()).unwrap());
    header.extend((1..).zip(sampling).flat_map(|(id, (across, down))| [id, across << 4 | down, 0]));
    segment(&mut bytes, frame, &header);
    // one code of one bit, for the symbol 0
    for class in [0x00, 0x10] {
        segment(&mut bytes, 0xC4, &[&[class, 1][..], &[0; 15], &[0]].concat());
    }
    bytes
}

fn scan(bytes: &mut Vec<u8>, components: &[u8], frame: u8, length: usize) {
    let mut header = vec![u8::try_from(components.len()).unwrap()];
    header.extend(components.iter().flat_map(|&id| [id, 0]));
    // progressive: the first coefficient alone
    header.extend(if frame == 0xC2 { [0, 0, 0] } else { [0, 63, 0] });
    segment(bytes, 0xDA, &header);
    bytes.extend(std::iter::repeat_n(0, length));
}

fn segment(bytes: &mut Vec<u8>, marker: u8, content: &[u8]) {
    bytes.extend_from_slice(&[0xFF, marker]);
    bytes.extend_from_slice(&u16::try_from(content.len() + 2).unwrap().to_be_bytes());
    bytes.extend_from_slice(content);
}

/// A good JPEG with more segments before its pixels.
pub fn with_segments(marker: u8, count: usize, content: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    for part in 0..count {
        segment(&mut bytes, marker, &content(u8::try_from(part % 255 + 1).unwrap()));
    }
    bytes.extend_from_slice(&picture(600, 400, 3)[2..]);
    bytes
}

/// The JPEG with a profile of 16 MB before its pixels, in 255 parts.
pub fn with_profiles(jpeg: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    for part in 1..=255 {
        segment(&mut bytes, 0xE2, &[b"ICC_PROFILE\0", &[part, 255][..], &[part; 65_000]].concat());
    }
    bytes.extend_from_slice(&jpeg[2..]);
    bytes
}

/// One directory, whose next directory and whose sub-directory is itself.
pub fn exif_loop() -> Vec<u8> {
    [
        &b"Exif\0\0II*\0\x08\0\0\0\x02\0"[..],
        &[0x69, 0x87, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0],
        &[0x12, 0x01, 3, 0, 1, 0, 0, 0, 99, 0, 0, 0],
        &[8, 0, 0, 0],
    ]
    .concat()
}
