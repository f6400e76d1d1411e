//! Any bytes at every scale, of a region, whole or as planes: no panic, no more memory than planned, and the same from portable code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scaled_jpeg::{Error, Header, Options, Plan, Region, Scale};

fn decode(file: &[u8], options: &Options) -> Result<(u32, Vec<u8>), Error> {
    let plan = Plan::new(&Header::read(file)?, options)?;
    let (width, height) = plan.size();
    let stride = width as usize * plan.channels();
    let mut pixels = vec![0; stride * height as usize];
    Ok((plan.decode(file, &mut pixels, stride)?, pixels))
}

fn planes(file: &[u8], options: &Options) -> Result<u32, Error> {
    let plan = Plan::new(&Header::read(file)?, options)?;
    let mut planes: Vec<Vec<u8>> = plan.planes().iter().map(|layout| vec![0; layout.width * layout.height]).collect();
    plan.decode_planes(file, &mut planes.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>())
}

fuzz_target!(|input: &[u8]| {
    // the first bytes choose what is asked for
    let Some(([what, left, top, width, height], file)) = input.split_first_chunk() else { return };
    let scale = Scale::ALL[usize::from(what & 7)];
    let region = Region { left: (*left).into(), top: (*top).into(), width: (*width).into(), height: (*height).into() };
    let options = Options {
        region: (what & 8 > 0).then_some(region),
        accept_truncated: what & 16 > 0,
        max_pixels: 1 << 20,
        max_scans: 20,
        max_memory: 1 << 24,
        ..Options::new(scale)
    };
    let decoded = decode(file, &options);
    assert_eq!(decoded, decode(file, &Options { portable: true, ..options }));
    assert_eq!(decoded.map(|decoded| decoded.0), planes(file, &options));
});
