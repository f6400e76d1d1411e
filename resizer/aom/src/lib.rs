//! Planes of 8 bits → one key frame of AV1, by libaom, which is C with assembly.
//!
//! libaom sees nothing but these planes: it is built without its decoder, and makes no threads. Its settings are those that took the
//! fewest bytes at the same SSIMULACRA2 (`resizer/benches/ENCODERS.md`). It cannot be stopped: callers bound the pixels.
//!
//! On the ground; the writer of AVIF stands above.
#![allow(unsafe_code)]

use std::{ffi::c_int, mem::MaybeUninit, ptr, slice};

use libaom_sys::{
    AOM_CICP_CP_BT_709, AOM_CICP_MC_BT_709, AOM_CICP_TC_SRGB, AOM_CODEC_CX_FRAME_PKT, AOM_CODEC_MEM_ERROR, AOM_CODEC_OK, AOM_CR_FULL_RANGE,
    AOM_DIST_METRIC_QM_PSNR, AOM_ENCODER_ABI_VERSION, AOM_IMG_FMT_I420, AOM_IMG_FMT_I444, AOM_Q, AOM_TUNE_SSIM, AOM_USAGE_ALL_INTRA,
    AOME_SET_CPUUSED, AOME_SET_CQ_LEVEL, AOME_SET_TUNING, AV1E_SET_COLOR_PRIMARIES, AV1E_SET_COLOR_RANGE, AV1E_SET_ENABLE_CHROMA_DELTAQ,
    AV1E_SET_ENABLE_INTRABC, AV1E_SET_ENABLE_PALETTE, AV1E_SET_ENABLE_QM, AV1E_SET_MATRIX_COEFFICIENTS, AV1E_SET_TRANSFER_CHARACTERISTICS,
    aom_codec_av1_cx, aom_codec_control, aom_codec_ctx, aom_codec_destroy, aom_codec_enc_config_default, aom_codec_enc_init_ver,
    aom_codec_encode, aom_codec_err_t, aom_codec_get_cx_data, aom_codec_set_option, aom_image,
};

/// The longest side.
pub const MOST: usize = 1 << 16;

/// The unit before each frame of a stream, which has no place in a file.
const DELIMITER: [u8; 2] = [0x12, 0];

/// Samples of a picture: light, or light and two of colour of the same size, by the matrix of BT.709 in the full range, for sRGB.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// Samples in a row.
    pub width: usize,
    /// Rows of a plane.
    pub height: usize,
    /// One plane after the other: one, or three.
    pub samples: &'a [u8],
}

/// How to encode.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From 0, the slowest, to 9.
    pub speed: u8,
    /// From 1, the finest, to 63.
    pub quantizer: u8,
    /// Squares of few colours may be coded as such: for what is drawn.
    pub palettes: bool,
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The planes are not those of a picture.
    #[error("{samples} samples for {width} by {height} pixels: one or three planes of at most {MOST} by {MOST} are encoded")]
    Planes {
        /// In a row.
        width: usize,
        /// Rows.
        height: usize,
        /// All there are.
        samples: usize,
    },
    /// An allocation failed.
    #[error("libaom is out of memory")]
    Memory,
    /// What it says else.
    #[error("libaom fails with code {0}")]
    Failed(u32),
}

/// A frame with its sequence header, as it stands in an AVIF.
pub fn encode(planes: Planes, options: Options) -> Result<Vec<u8>, Error> {
    let image = image(planes)?;
    let mut encoder = Encoder::new(&image, options)?;
    // SAFETY: the encoder is initialised; the image has the size it was initialised for, and its planes outlive the call, which copies them.
    check(unsafe { aom_codec_encode(&raw mut encoder.0, &raw const image, 0, 1, 0) })?;
    encoder.written()
}

fn check(code: aom_codec_err_t) -> Result<(), Error> {
    match code {
        AOM_CODEC_OK => Ok(()),
        AOM_CODEC_MEM_ERROR => Err(Error::Memory),
        code => Err(Error::Failed(code)),
    }
}

/// The planes as libaom takes them. It reads one plane of a monochrome image and three of another one.
fn image(planes: Planes) -> Result<aom_image, Error> {
    let Planes { width, height, samples } = planes;
    let invalid = Error::Planes { width, height, samples: samples.len() };
    if !(1..=MOST).contains(&width) || !(1..=MOST).contains(&height) {
        return Err(invalid);
    }
    let plane = width * height;
    let is_gray = samples.len() == plane;
    if !is_gray && samples.len() != 3 * plane {
        return Err(invalid);
    }
    let side = |length: usize| u32::try_from(length).map_err(|_| invalid);
    let stride = c_int::try_from(width).map_err(|_| invalid)?;
    // SAFETY: integers and pointers, of which all zeros are values.
    let mut image: aom_image = unsafe { MaybeUninit::zeroed().assume_init() };
    image.fmt = if is_gray { AOM_IMG_FMT_I420 } else { AOM_IMG_FMT_I444 };
    image.monochrome = is_gray.into();
    image.range = AOM_CR_FULL_RANGE;
    (image.w, image.h, image.bit_depth, image.bps) = (side(width)?, side(height)?, 8, 8);
    (image.d_w, image.d_h, image.r_w, image.r_h) = (image.w, image.h, image.w, image.h);
    (image.x_chroma_shift, image.y_chroma_shift) = (is_gray.into(), is_gray.into());
    for (index, samples) in samples.chunks_exact(plane).enumerate() {
        image.planes[index] = samples.as_ptr().cast_mut(); // only read
        image.stride[index] = stride;
    }
    Ok(image)
}

/// An initialised encoder.
struct Encoder(aom_codec_ctx);

impl Encoder {
    fn new(image: &aom_image, options: Options) -> Result<Self, Error> {
        let mut config = MaybeUninit::zeroed();
        // SAFETY: the interface is static; the configuration, in which all zeros are values, is written whole before it is read.
        let mut config = unsafe {
            check(aom_codec_enc_config_default(aom_codec_av1_cx(), config.as_mut_ptr(), AOM_USAGE_ALL_INTRA))?;
            config.assume_init()
        };
        let is_gray = image.monochrome != 0;
        (config.g_w, config.g_h, config.g_limit, config.g_threads, config.g_lag_in_frames) = (image.w, image.h, 1, 1, 0);
        (config.g_profile, config.monochrome) = (u32::from(!is_gray), u32::from(is_gray));
        (config.rc_end_usage, config.rc_min_quantizer, config.rc_max_quantizer) = (AOM_Q, 0, 63);
        // SAFETY: a context of zeros, which the call initialises; what it keeps of the configuration it copies.
        let mut encoder = unsafe {
            let mut context: aom_codec_ctx = MaybeUninit::zeroed().assume_init();
            let version = AOM_ENCODER_ABI_VERSION.cast_signed();
            check(aom_codec_enc_init_ver(&raw mut context, aom_codec_av1_cx(), &raw const config, 0, version))?;
            Self(context)
        };
        for (control, value) in [
            (AOME_SET_CPUUSED, options.speed.min(9).into()),
            (AOME_SET_CQ_LEVEL, options.quantizer.clamp(1, 63).into()),
            (AOME_SET_TUNING, AOM_TUNE_SSIM.cast_signed()),
            (AV1E_SET_ENABLE_QM, 1),
            (AV1E_SET_ENABLE_CHROMA_DELTAQ, (!is_gray).into()),
            (AV1E_SET_ENABLE_PALETTE, options.palettes.into()),
            // its tables take 250 bytes for a pixel of black and white noise
            (AV1E_SET_ENABLE_INTRABC, 0),
            (AV1E_SET_COLOR_RANGE, AOM_CR_FULL_RANGE.cast_signed()),
            (AV1E_SET_COLOR_PRIMARIES, AOM_CICP_CP_BT_709.cast_signed()),
            (AV1E_SET_TRANSFER_CHARACTERISTICS, AOM_CICP_TC_SRGB.cast_signed()),
            (AV1E_SET_MATRIX_COEFFICIENTS, AOM_CICP_MC_BT_709.cast_signed()),
        ] {
            encoder.set(control.cast_signed(), value)?;
        }
        encoder.weigh_by_matrices()?;
        Ok(encoder)
    }

    fn set(&mut self, control: c_int, value: c_int) -> Result<(), Error> {
        // SAFETY: the context is initialised, and each of the controls above takes one integer.
        check(unsafe { aom_codec_control(&raw mut self.0, control, value) })
    }

    /// Errors are weighed by the matrices of quantisation; there is no control for this, but an option.
    fn weigh_by_matrices(&mut self) -> Result<(), Error> {
        const { assert!(AOM_DIST_METRIC_QM_PSNR == 1) };
        // SAFETY: the context is initialised; both strings end with a zero, and are only read.
        check(unsafe { aom_codec_set_option(&raw mut self.0, c"dist-metric".as_ptr(), c"qm-psnr".as_ptr()) })
    }

    /// The bytes of the frame that was given.
    fn written(&mut self) -> Result<Vec<u8>, Error> {
        let mut written = vec![];
        let mut at = ptr::null();
        loop {
            // SAFETY: the context is initialised; a packet, and a frame's bytes in it, live until the next call.
            unsafe {
                let Some(packet) = aom_codec_get_cx_data(&raw mut self.0, &raw mut at).as_ref() else { break };
                if packet.kind == AOM_CODEC_CX_FRAME_PKT {
                    written.extend_from_slice(slice::from_raw_parts(packet.data.frame.buf.cast::<u8>(), packet.data.frame.sz));
                }
            }
        }
        if written.starts_with(&DELIMITER) {
            written.drain(..DELIMITER.len());
        }
        if written.is_empty() { Err(Error::Failed(AOM_CODEC_OK)) } else { Ok(written) }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context is initialised, and is not used again.
        unsafe { aom_codec_destroy(&raw mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options { speed: 9, quantizer: 30, palettes: true };

    /// Slopes and edges.
    fn samples(width: usize, height: usize, planes: usize) -> Vec<u8> {
        (0..planes * width * height).map(|at| u8::try_from((at % width * 5 + at / width * 3) % 251).unwrap()).collect()
    }

    #[test]
    fn every_size_and_speed_is_encoded() {
        for (width, height, planes) in [(1, 1, 1), (1, 1, 3), (3, 5, 3), (65, 2, 1), (2, 129, 3), (67, 71, 3)] {
            let samples = samples(width, height, planes);
            for speed in 0..=9 {
                let frame = encode(Planes { width, height, samples: &samples }, Options { speed, ..OPTIONS }).unwrap();
                let sequence_header = 0x0A;
                assert!(frame.len() > 10 && frame[0] == sequence_header, "{width}x{height} {planes} {speed}: {frame:?}");
            }
        }
    }

    #[test]
    fn finer_takes_more_and_the_same_gives_the_same() {
        let samples = samples(64, 64, 3);
        let [finest, fine, again, coarse] = [1, 20, 20, 63]
            .map(|quantizer| encode(Planes { width: 64, height: 64, samples: &samples }, Options { quantizer, ..OPTIONS }).unwrap());
        assert!(finest.len() > fine.len() && fine.len() > coarse.len(), "{} {} {}", finest.len(), fine.len(), coarse.len());
        assert_eq!(fine, again);
    }

    #[test]
    fn squares_of_few_colours_take_less_as_such() {
        // letters of a made-up script, in three grays
        let samples: Vec<u8> =
            (0..3 * 128 * 128_u32).map(|at| [16, 128, 240][((at % 128 * 7) ^ (at / 128 * 13)) as usize / 5 % 3]).collect();
        let planes = Planes { width: 128, height: 128, samples: &samples };
        let length = |palettes| encode(planes, Options { speed: 6, palettes, ..OPTIONS }).unwrap().len();
        assert!(length(true) * 10 < length(false) * 9, "{} {}", length(true), length(false));
    }

    #[test]
    fn planes_that_are_not_a_picture_are_refused() {
        for (width, height, length) in [(0, 0, 0), (4, 4, 15), (4, 4, 32), (4, 4, 49), (MOST + 1, 1, MOST + 1), (usize::MAX, 2, 6)] {
            let samples = vec![0; length];
            assert_eq!(encode(Planes { width, height, samples: &samples }, OPTIONS), Err(Error::Planes { width, height, samples: length }));
        }
    }
}
