//! AVIFs, box by box; their frames are encoded by rav1e.

use rav1e::prelude::{
    ChromaSampling, ColorDescription, ColorPrimaries, Config, EncoderConfig, EncoderStatus, MatrixCoefficients, PixelRange, SpeedSettings,
    TransferCharacteristics,
};

pub use rav1e::prelude::ChromaSampling as Sampling;

/// How a frame is coded.
#[derive(Clone, Copy, Debug)]
pub struct Coding {
    pub width: usize,
    pub height: usize,
    pub depth: usize,
    pub sampling: Sampling,
    pub full_range: bool,
    /// As a power of two, columns and rows.
    pub tiles: (usize, usize),
    /// 0 is the best.
    pub quantizer: usize,
}

impl Coding {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, depth: 8, sampling: ChromaSampling::Cs420, full_range: true, tiles: (0, 0), quantizer: 40 }
    }
}

/// A frame whose samples are `sample` of their kind, column and row in the whole picture.
pub fn frame(coding: Coding, sample: impl Fn(usize, usize, usize) -> u16) -> Vec<u8> {
    if coding.depth > 8 { encoded::<u16>(coding, sample) } else { encoded::<u8>(coding, sample) }
}

fn encoded<T: rav1e::prelude::Pixel>(coding: Coding, sample: impl Fn(usize, usize, usize) -> u16) -> Vec<u8> {
    let mut speed_settings = SpeedSettings::from_preset(10);
    speed_settings.multiref = false;
    let encoder = EncoderConfig {
        width: coding.width,
        height: coding.height,
        bit_depth: coding.depth,
        chroma_sampling: coding.sampling,
        pixel_range: if coding.full_range { PixelRange::Full } else { PixelRange::Limited },
        color_description: Some(ColorDescription {
            color_primaries: ColorPrimaries::BT709,
            transfer_characteristics: TransferCharacteristics::SRGB,
            matrix_coefficients: MatrixCoefficients::BT601,
        }),
        still_picture: true,
        quantizer: coding.quantizer,
        min_quantizer: 0,
        tile_cols: 1 << coding.tiles.0,
        tile_rows: 1 << coding.tiles.1,
        speed_settings,
        ..EncoderConfig::default()
    };
    let mut context = Config::new().with_encoder_config(encoder).with_threads(1).new_context::<T>().unwrap();
    let mut frame = context.new_frame();
    for (kind, plane) in frame.planes.iter_mut().enumerate() {
        let (across, down) = (plane.cfg.xdec, plane.cfg.ydec);
        for (y, row) in plane.mut_slice(Default::default()).rows_iter_mut().enumerate().take(coding.height) {
            row.iter_mut().enumerate().for_each(|(x, value)| *value = T::cast_from(sample(kind, x << across, y << down)));
        }
    }
    context.send_frame(frame).unwrap();
    context.flush();
    let mut bytes = vec![];
    loop {
        match context.receive_packet() {
            Ok(packet) => bytes.extend(packet.data),
            Err(EncoderStatus::Encoded) => {}
            Err(_) => return bytes,
        }
    }
}

/// A frame of stripes.
pub fn stripes(coding: Coding) -> Vec<u8> {
    let most = (1 << coding.depth) - 1;
    frame(coding, |kind, x, y| u16::try_from((x * (kind + 3) + y * 5) * most / 255 % (most + 1)).unwrap())
}

/// An open bitstream unit.
pub fn unit(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let digits = [0, 7, 14, 21].map(|bits| (length >> bits & 0x7F).to_le_bytes()[0] | 0x80);
    [&[kind << 3 | 2][..], &digits, &[0], content].concat()
}

/// Bits, the highest of a byte first.
fn bits(bits: &str) -> Vec<u8> {
    let digits: Vec<char> = bits.chars().filter(|digit| !digit.is_whitespace()).collect();
    digits.chunks(8).map(|byte| (0..8).fold(0, |number, at| number << 1 | u8::from(byte.get(at) == Some(&'1')))).collect()
}

/// A frame of which the headers alone make sense, in as many tiles as there may be, or in as few; the rest of its bytes is zero.
pub fn bomb(width: u32, height: u32, has_tiles: bool, length: usize) -> Vec<u8> {
    let sequence = format!("000 1 1 00000 1111 1111 {:016b} {:016b} 000 000 0 0 0 1 00 0 0 1", width - 1, height - 1);
    // a uniform spacing, doubled as often as it goes
    let mut frame = bits(if has_tiles { "0 0 0 1 1111 1111 1111" } else { "0 0 0 1" });
    frame.resize(length, 0);
    [unit(1, &bits(&sequence)), unit(6, &frame)].concat()
}

pub fn avif_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len() + 8).unwrap().to_be_bytes(), &name[..], content].concat()
}

fn full_box(name: &[u8; 4], version_and_flags: u32, content: &[u8]) -> Vec<u8> {
    avif_box(name, &[&version_and_flags.to_be_bytes(), content].concat())
}

pub fn ispe(width: u32, height: u32) -> Vec<u8> {
    full_box(b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat())
}

/// By their numbers: primaries, transfer, matrix.
pub fn nclx(numbers: [u8; 3], full_range: bool) -> Vec<u8> {
    let [primaries, transfer, matrix] = numbers;
    avif_box(b"colr", &[&b"nclx"[..], &[0, primaries, 0, transfer, 0, matrix, u8::from(full_range) << 7]].concat())
}

pub fn icc(profile: &[u8]) -> Vec<u8> {
    avif_box(b"colr", &[b"prof", profile].concat())
}

pub fn clap(numbers: [(i32, i32); 4]) -> Vec<u8> {
    avif_box(b"clap", &numbers.iter().flat_map(|(above, below)| [above.to_be_bytes(), below.to_be_bytes()]).flatten().collect::<Vec<_>>())
}

pub fn auxc() -> Vec<u8> {
    full_box(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
}

/// The item that joins others: columns and rows, of which 0 are 256, width and height.
pub fn grid(columns: u8, rows: u8, width: u16, height: u16) -> Vec<u8> {
    let [w1, w0] = width.to_be_bytes();
    let [h1, h0] = height.to_be_bytes();
    vec![0, 0, rows.wrapping_sub(1), columns.wrapping_sub(1), w1, w0, h1, h0]
}

/// A part of a file: what it is, its data and its properties. The first one has the number 1.
pub struct Item {
    pub kind: [u8; 4],
    pub data: Vec<u8>,
    pub properties: Vec<Vec<u8>>,
}

impl Item {
    pub fn frame(data: Vec<u8>, properties: Vec<Vec<u8>>) -> Self {
        Self { kind: *b"av01", data, properties }
    }
}

/// A file of which the first item is the picture; references have a name, from where and to where.
pub fn avif(items: &[Item], references: &[([u8; 4], u16, &[u16])]) -> Vec<u8> {
    let short = |number: usize| u16::try_from(number).unwrap().to_be_bytes();
    let ftyp = avif_box(b"ftyp", b"avif\0\0\0\0avifmif1miaf");
    let kinds: Vec<u8> = (1..)
        .zip(items)
        .flat_map(|(number, item)| full_box(b"infe", 2 << 24, &[&short(number), &[0, 0][..], &item.kind, b"\0"].concat()))
        .collect();
    let named = |(name, from, to): &([u8; 4], u16, &[u16])| {
        let to: Vec<u8> = to.iter().flat_map(|to| to.to_be_bytes()).collect();
        avif_box(name, &[&from.to_be_bytes()[..], &short(to.len() / 2), &to].concat())
    };
    let properties: Vec<u8> = items.iter().flat_map(|item| item.properties.concat()).collect();
    let mut next = 0_u8;
    let associations: Vec<u8> = (1..)
        .zip(items)
        .flat_map(|(number, item)| {
            let entries = item.properties.iter().map(|property| {
                next += 1;
                next | if [&b"irot"[..], b"imir", b"clap", b"lsel"].contains(&&property[4..8]) { 0x80 } else { 0 }
            });
            let entries: Vec<u8> = entries.collect();
            [&short(number)[..], &[u8::try_from(entries.len()).unwrap()], &entries].concat()
        })
        .collect();
    let ipma = full_box(b"ipma", 0, &[&u32::try_from(items.len()).unwrap().to_be_bytes()[..], &associations].concat());
    let meta = |start: usize| {
        let mut at = start;
        let locations: Vec<u8> = (1..)
            .zip(items)
            .flat_map(|(number, item)| {
                let place = [at, item.data.len()].map(|number| u32::try_from(number).unwrap().to_be_bytes()).concat();
                at += item.data.len();
                [&short(number)[..], &[0, 0, 0, 1], &place].concat()
            })
            .collect();
        let parts = [
            full_box(b"hdlr", 0, b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            full_box(b"pitm", 0, &[0, 1]),
            full_box(b"iinf", 0, &[&short(items.len())[..], &kinds].concat()),
            full_box(b"iref", 0, &references.iter().flat_map(named).collect::<Vec<_>>()),
            avif_box(b"iprp", &[avif_box(b"ipco", &properties), ipma.clone()].concat()),
            full_box(b"iloc", 0, &[&[0x44, 0], &short(items.len())[..], &locations].concat()),
        ];
        full_box(b"meta", 0, &parts.concat())
    };
    let start = ftyp.len() + meta(0).len() + 8;
    let data: Vec<u8> = items.iter().flat_map(|item| item.data.clone()).collect();
    [ftyp, meta(start), avif_box(b"mdat", &data)].concat()
}

/// A picture of one frame.
pub fn still(data: Vec<u8>, properties: Vec<Vec<u8>>) -> Vec<u8> {
    avif(&[Item::frame(data, properties)], &[])
}
