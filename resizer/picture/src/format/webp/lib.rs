//! The part of libwebp that is used here, behind safe functions.
//!
//! The pure Rust decoder takes more than twice the time, there is no pure Rust encoder
//! for lossy pictures, and the published safe wrapper neither reads the first frame of an animation nor follows the library's releases.
//!
//! Below its format and the writer of animations, above the raster.
#![allow(unsafe_code)]

use std::{
    ffi::{c_int, c_void},
    marker::PhantomData,
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicBool, Ordering},
};

use libwebp_sys::{
    VP8StatusCode, WEBP_CSP_MODE, WebPBitstreamFeatures, WebPConfig, WebPDecoderConfig, WebPEncCSP, WebPEncode, WebPGetFeatures,
    WebPIDecode, WebPIDecoder, WebPIDelete, WebPIUpdate, WebPPicture, WebPPictureFree, WebPPictureImportRGB, WebPPictureImportRGBA,
    WebPRGBABuffer,
};

use super::planes::Planes;
use crate::{Error, budget::Budget, channels::Channels, raster::Raster, stop::Stop};

fn failure(status: VP8StatusCode) -> Error {
    match status {
        VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY => Error::TooLarge("WebP: out of memory".into()),
        VP8StatusCode::VP8_STATUS_UNSUPPORTED_FEATURE => Error::Unsupported("WebP with an unknown feature".into()),
        VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA | VP8StatusCode::VP8_STATUS_SUSPENDED => Error::Damaged("WebP ends early".into()),
        _ => Error::Damaged("WebP breaks its format's rules".into()),
    }
}

pub(crate) fn invalid() -> Error {
    Error::Damaged("cannot start libwebp".into())
}

pub(crate) fn length(value: u32) -> Result<c_int, Error> {
    c_int::try_from(value).map_err(|_| Error::TooLarge(format!("a side of {value} pixels")))
}

/// Decodes a file, or the data of a frame, to RGB or RGBA, if it has the `size` that was admitted. `coarse` leaves out the loop filter and
/// the interpolation of chroma, which makes no visible difference at a smaller size.
pub(crate) fn decode(data: &[u8], size: (u32, u32), coarse: bool, budget: &Budget) -> Result<Raster, Error> {
    if ends_early(data) {
        return Err(failure(VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA));
    }
    let mut config = WebPDecoderConfig::new().map_err(|()| invalid())?;
    // SAFETY: pointer and length are those of one live slice; the features are written, not read.
    let status = unsafe { WebPGetFeatures(data.as_ptr(), data.len(), &raw mut config.input) };
    if status != VP8StatusCode::VP8_STATUS_OK {
        return Err(failure(status));
    }
    let WebPBitstreamFeatures { width, height, has_alpha, .. } = config.input;
    let (channels, mode) =
        if has_alpha == 0 { (Channels::Rgb, WEBP_CSP_MODE::MODE_RGB) } else { (Channels::Rgba, WEBP_CSP_MODE::MODE_RGBA) };
    let unsigned = |side: c_int| u32::try_from(side).map_err(|_| failure(VP8StatusCode::VP8_STATUS_BITSTREAM_ERROR));
    if (unsigned(width)?, unsigned(height)?) != size {
        return Err(Error::Damaged(format!("WebP of {width} by {height} pixels where its header says {} by {}", size.0, size.1)));
    }
    let mut raster = Raster::new(budget, size.0, size.1, channels)?;
    let stride = c_int::try_from(raster.stride()).map_err(|_| invalid())?;
    config.options.no_fancy_upsampling = c_int::from(coarse);
    config.options.bypass_filtering = c_int::from(coarse);
    config.output.colorspace = mode;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = WebPRGBABuffer { rgba: raster.pixels.as_mut_ptr(), stride, size: raster.pixels.len() };
    let decoder = Decoder::new(&mut config)?;
    for end in (PIECE..data.len()).step_by(PIECE).chain([data.len()]) {
        budget.go_on()?;
        match decoder.read(&data[..end]) {
            VP8StatusCode::VP8_STATUS_SUSPENDED => {}
            VP8StatusCode::VP8_STATUS_OK => {
                drop(decoder);
                return Ok(raster);
            }
            status => return Err(failure(status)),
        }
    }
    Err(failure(VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA))
}

/// Whether `data` is shorter than its first chunk says, which is the whole file: the incremental decoder would wait for more.
fn ends_early(data: &[u8]) -> bool {
    let length = data.get(4..8).and_then(|length| length.try_into().ok()).map_or(u32::MAX, u32::from_le_bytes);
    data.len().saturating_sub(8) < length as usize
}

/// Bytes of a file at a time, between which the work can stop.
const PIECE: usize = 64 << 10;

/// Decodes into the memory that its configuration names.
struct Decoder<'a> {
    decoder: NonNull<WebPIDecoder>,
    config: PhantomData<&'a mut WebPDecoderConfig>,
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and freed only here.
        unsafe { WebPIDelete(self.decoder.as_ptr()) }
    }
}

impl<'a> Decoder<'a> {
    fn new(config: &'a mut WebPDecoderConfig) -> Result<Self, Error> {
        // SAFETY: without data the call only keeps the configuration, which outlives this.
        let decoder = unsafe { WebPIDecode(ptr::null(), 0, config) };
        Ok(Self { decoder: NonNull::new(decoder).ok_or_else(invalid)?, config: PhantomData })
    }

    /// Goes on with `data`, which begins with all that was given before.
    fn read(&self, data: &[u8]) -> VP8StatusCode {
        // SAFETY: `data` is a live slice, and nothing of it is kept but positions. The output is memory of the caller's, with its true
        // length and stride, alive as long as the configuration is used; libwebp checks the picture's size against them.
        unsafe { WebPIUpdate(self.decoder.as_ptr(), data.as_ptr(), data.len()) }
    }
}

/// Of 0 to 7: the loop filter leaves the most as it is, which takes 1 % fewer bytes at the same SSIMULACRA2 than libwebp's own 0.
const SHARPNESS: c_int = 7;

/// Of 0 to 6. With 4 drawings take the same bytes.
const LOSSLESS_METHOD: c_int = 3;

/// A picture of libwebp's, freed when it is dropped.
pub(crate) struct OwnedPicture {
    pub(crate) picture: WebPPicture,
    /// Its flag is what [`go_on`] reads.
    stop: Stop,
}

impl Drop for OwnedPicture {
    fn drop(&mut self) {
        // SAFETY: made by `WebPPicture::new`, and freed only here.
        unsafe { WebPPictureFree(&raw mut self.picture) }
    }
}

/// Whether libwebp is to go on with a picture of [`import`].
extern "C" fn go_on(_percent: c_int, picture: *const WebPPicture) -> c_int {
    // SAFETY: libwebp passes the picture or a copy of it, whose `user_data` is the flag of its owner's `stop`.
    let stop = unsafe { &*(*picture).user_data.cast::<AtomicBool>() };
    c_int::from(!stop.load(Ordering::Relaxed))
}

/// Appends what libwebp writes to the `Vec<u8>` behind `custom_ptr`.
extern "C" fn append(data: *const u8, length: usize, picture: *const WebPPicture) -> c_int {
    // SAFETY: libwebp passes the picture that `encode` gave it, whose `custom_ptr` is a `Vec<u8>` that nobody else touches
    // during the call, and a pointer to `length` bytes of its own.
    unsafe { (*(*picture).custom_ptr.cast::<Vec<u8>>()).extend_from_slice(slice::from_raw_parts(data, length)) };
    1
}

impl OwnedPicture {
    /// Without pixels.
    fn new((width, height): (u32, u32), stop: &Stop) -> Result<Self, Error> {
        let picture = WebPPicture::new().map_err(|()| invalid())?;
        let mut owned = Self { picture, stop: stop.clone() };
        owned.picture.progress_hook = Some(go_on);
        owned.picture.user_data = ptr::from_ref(owned.stop.flag()).cast_mut().cast::<c_void>();
        (owned.picture.width, owned.picture.height) = (length(width)?, length(height)?);
        Ok(owned)
    }
}

/// Copies RGB or RGBA pixels.
pub(crate) fn import(raster: &Raster) -> Result<OwnedPicture, Error> {
    let mut owned = OwnedPicture::new((raster.width, raster.height), raster.budget().stop())?;
    let picture = &mut owned.picture;
    picture.use_argb = 1;
    let stride = c_int::try_from(raster.stride()).map_err(|_| invalid())?;
    // SAFETY: the pixels are `height` rows of `stride` bytes, which is what the size and the format say; they are copied.
    let imported = unsafe {
        match raster.channels {
            Channels::Rgb => WebPPictureImportRGB(picture, raster.pixels.as_ptr(), stride),
            Channels::Rgba => WebPPictureImportRGBA(picture, raster.pixels.as_ptr(), stride),
            _ => 0,
        }
    };
    if imported == 0 { Err(invalid()) } else { Ok(owned) }
}

/// How far from the pixels a file without loss may be, for fewer bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Closeness {
    Exact,
    /// By at most 4 of 255 levels, where neighbours differ.
    Nearly,
}

/// Encodes RGB or RGBA pixels without loss, or nearly; the colours of those that are transparent are not kept.
pub(crate) fn encode_lossless(raster: &Raster, closeness: Closeness) -> Result<Vec<u8>, Error> {
    let mut config = WebPConfig::new().map_err(|()| invalid())?;
    config.lossless = 1;
    config.near_lossless = match closeness {
        Closeness::Exact => 100,
        Closeness::Nearly => 40,
    };
    config.method = LOSSLESS_METHOD;
    written(&config, &mut import(raster)?.picture)
}

/// Encodes lossily; transparency is kept without loss. The `method` is from 0 to 6, the slowest. What is to be coded is held as a whole, or
/// made twice if memory is `scarce`.
pub(crate) fn encode(mut planes: Planes, quality: u8, method: u8, scarce: bool) -> Result<Vec<u8>, Error> {
    let mut config = WebPConfig::new().map_err(|()| invalid())?;
    config.quality = f32::from(quality);
    config.method = c_int::from(method);
    config.filter_sharpness = SHARPNESS;
    config.low_memory = c_int::from(scarce);
    let mut owned = OwnedPicture::new(planes.size, planes.luma.budget().stop())?;
    let picture = &mut owned.picture;
    picture.use_argb = 0;
    (picture.y_stride, picture.uv_stride) = (length(planes.size.0)?, length(planes.size.0.div_ceil(2))?);
    picture.y = planes.luma.as_mut_ptr();
    [picture.u, picture.v] = planes.chroma.each_mut().map(|plane| plane.as_mut_ptr());
    picture.colorspace = WebPEncCSP::WEBP_YUV420;
    if let Some(alpha) = &mut planes.alpha {
        picture.colorspace = WebPEncCSP::WEBP_YUV420A;
        (picture.a, picture.a_stride) = (alpha.as_mut_ptr(), picture.y_stride);
    }
    // the planes, which libwebp also writes to, have as many rows and samples as the size and the strides say; they outlive the call,
    // nobody else reads them meanwhile, and the picture does not own them
    written(&config, picture)
}

/// The file of a picture with pixels.
fn written(config: &WebPConfig, picture: &mut WebPPicture) -> Result<Vec<u8>, Error> {
    let mut bytes: Vec<u8> = Vec::new();
    picture.writer = Some(append);
    picture.custom_ptr = (&raw mut bytes).cast::<c_void>();
    // SAFETY: configuration and picture are initialised, its pixels are alive, and `bytes` outlives the call.
    let encoded = unsafe { WebPEncode(config, picture) } != 0;
    if encoded { Ok(bytes) } else { Err(Error::Damaged("cannot write WebP".into())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::drawing::noisy;

    #[test]
    fn libwebp_asks_whether_to_go_on() {
        let raster = noisy(60, 60, Channels::Rgb);
        let planes = || Planes::of(raster.clone()).unwrap();
        assert!(encode(planes(), 80, 2, false).is_ok());
        let planes = planes();
        raster.budget().stop().stop();
        assert!(encode(planes, 80, 2, false).is_err());
    }
}
