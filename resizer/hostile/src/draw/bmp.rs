//! BMPs: headers, and runs.

/// A BMP of one pixel, with so many runs of 255.
pub fn bmp_runs(runs: usize) -> Vec<u8> {
    let offset = 14 + 40 + 1024_u32;
    let header = [
        &b"BM\0\0\0\0\0\0\0\0"[..],
        &offset.to_le_bytes(),
        &[40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0],
        &[0; 20],
        &[9; 1024],
    ];
    [&header.concat()[..], &[255, 1].repeat(runs), &[0, 1]].concat()
}

pub fn bmp(width: i32, height: i32) -> Vec<u8> {
    [&b"BM\x00\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"[..], &width.to_le_bytes(), &height.to_le_bytes(), &[1, 0, 24, 0, 0, 0, 0, 0], &[0; 16]]
        .concat()
}
