//! The part of libwebp that reads and writes animations, behind a reader and a writer of whole frames.
//!
//! Below the room `animation`, above the calls into libwebp beside it.
#![allow(unsafe_code)]

use std::{
    ffi::c_int,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{self, NonNull},
    slice,
};

use libwebp_sys::{
    WEBP_DEMUX_ABI_VERSION, WEBP_MUX_ABI_VERSION, WebPAnimDecoder, WebPAnimDecoderDelete, WebPAnimDecoderGetInfo, WebPAnimDecoderGetNext,
    WebPAnimDecoderHasMoreFrames, WebPAnimDecoderNewInternal, WebPAnimEncoder, WebPAnimEncoderAdd, WebPAnimEncoderAssemble,
    WebPAnimEncoderDelete, WebPAnimEncoderNewInternal, WebPAnimEncoderOptions, WebPAnimEncoderOptionsInitInternal, WebPAnimInfo,
    WebPConfig, WebPData, WebPDataClear,
};

use resize_api::picture::Effort;

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    format::webp::{
        ALPHA,
        lib::{import, invalid, length},
        method,
    },
    frame::{Frame, Playback},
    header::Probe,
    raster::Raster,
    stop::Stop,
};

fn damaged() -> Error {
    Error::Damaged("WebP animation breaks its format's rules, or ends early".into())
}

/// Frames of an animation, each as it looks when it shows.
pub(crate) struct Reader<'a> {
    decoder: NonNull<WebPAnimDecoder>,
    info: WebPAnimInfo,
    /// Milliseconds from the start to the end of the last frame.
    elapsed: u32,
    budget: Budget,
    source: PhantomData<&'a [u8]>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and freed only here.
        unsafe { WebPAnimDecoderDelete(self.decoder.as_ptr()) }
    }
}

impl<'a> Reader<'a> {
    /// `probe` is of the same `source`: its size is the one that was admitted.
    pub(crate) fn new(source: &'a [u8], probe: &Probe, budget: &Budget) -> Result<Self, Error> {
        let data = WebPData { bytes: source.as_ptr(), size: source.len() };
        // SAFETY: the data is a live slice, which the decoder reads until it is deleted, before 'a ends. No options: RGBA, one thread.
        let decoder = unsafe { WebPAnimDecoderNewInternal(&raw const data, ptr::null(), abi(WEBP_DEMUX_ABI_VERSION)) };
        let decoder = NonNull::new(decoder).ok_or_else(damaged)?;
        let mut reader = Self {
            decoder,
            info: WebPAnimInfo { canvas_width: 0, canvas_height: 0, loop_count: 0, bgcolor: 0, frame_count: 0, pad: [0; 4] },
            elapsed: 0,
            budget: budget.clone(),
            source: PhantomData,
        };
        // SAFETY: decoder and destination are alive.
        let known = unsafe { WebPAnimDecoderGetInfo(decoder.as_ptr(), &raw mut reader.info) } != 0;
        let same = (reader.info.canvas_width, reader.info.canvas_height) == (probe.width, probe.height);
        if known && same { Ok(reader) } else { Err(damaged()) }
    }

    pub(crate) fn playback(&self) -> Playback {
        Playback { plays: self.info.loop_count }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Error> {
        let (mut pixels, mut until) = (ptr::null_mut(), 0);
        // SAFETY: the decoder is alive; both destinations are.
        let read = unsafe {
            if WebPAnimDecoderHasMoreFrames(self.decoder.as_ptr()) == 0 {
                return Ok(None);
            }
            WebPAnimDecoderGetNext(self.decoder.as_ptr(), &raw mut pixels, &raw mut until)
        };
        if read == 0 || pixels.is_null() {
            return Err(damaged());
        }
        let mut raster = Raster::new(&self.budget, self.info.canvas_width, self.info.canvas_height, Channels::Rgba)?;
        // SAFETY: the decoder gives its canvas: 4 bytes for each of its pixels, valid until the next call.
        let canvas = unsafe { slice::from_raw_parts(pixels, raster.pixels.len()) };
        raster.pixels.copy_from_slice(canvas);
        let until = u32::try_from(until).map_err(|_| damaged())?;
        let duration = until.saturating_sub(self.elapsed);
        self.elapsed = until;
        Ok(Some(Frame { raster, duration }))
    }
}

/// Frames of more pixels are encoded fast: libwebp encodes a frame more than once.
const SMALL: u64 = 1_500_000;

/// An animation that is being written.
pub(crate) struct Writer {
    encoder: NonNull<WebPAnimEncoder>,
    config: WebPConfig,
    /// Libwebp keeps a copy of the last picture, whose `user_data` points to this flag.
    _stop: Stop,
    /// Milliseconds from the start to the next frame.
    elapsed: c_int,
    /// A pixel was not opaque.
    transparent: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and freed only here.
        unsafe { WebPAnimEncoderDelete(self.encoder.as_ptr()) }
    }
}

impl Writer {
    pub(crate) fn new(width: u32, height: u32, playback: Playback, quality: u8, effort: Effort, stop: &Stop) -> Result<Self, Error> {
        let mut config = WebPConfig::new().map_err(|()| invalid())?;
        config.quality = f32::from(quality);
        let pixels = u64::from(width) * u64::from(height);
        config.method = c_int::from(method(if pixels > SMALL { Effort::Fast } else { effort }, pixels, true)?);
        let mut options = MaybeUninit::<WebPAnimEncoderOptions>::uninit();
        // SAFETY: the call fills in all of the options, or says that it did not.
        let mut options = unsafe {
            if WebPAnimEncoderOptionsInitInternal(options.as_mut_ptr(), abi(WEBP_MUX_ABI_VERSION)) == 0 {
                return Err(invalid());
            }
            options.assume_init()
        };
        // the field has 16 bits; a larger count becomes 0, which is endless
        options.anim_params.loop_count = u16::try_from(playback.plays).map_or(0, c_int::from);
        let (width, height) = (length(width)?, length(height)?);
        // SAFETY: the options are alive during the call, which copies them.
        let encoder = unsafe { WebPAnimEncoderNewInternal(width, height, &raw const options, abi(WEBP_MUX_ABI_VERSION)) };
        Ok(Self { encoder: NonNull::new(encoder).ok_or_else(invalid)?, config, _stop: stop.clone(), elapsed: 0, transparent: false })
    }

    /// Adds an RGBA frame of the animation's size.
    pub(crate) fn add(&mut self, frame: &Frame) -> Result<(), Error> {
        self.transparent |= frame.raster.pixels.chunks_exact(4).any(|pixel| pixel[3] != 255);
        let mut owned = import(&frame.raster)?;
        // SAFETY: encoder, frame and configuration are alive and initialised; the encoder copies the pixels.
        let added = unsafe { WebPAnimEncoderAdd(self.encoder.as_ptr(), &raw mut owned.picture, self.elapsed, &raw const self.config) };
        self.elapsed = self.elapsed.saturating_add(c_int::try_from(frame.duration).unwrap_or(c_int::MAX));
        if added == 0 { Err(Error::Damaged("cannot write a frame of a WebP".into())) } else { Ok(()) }
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        let mut data = WebPData::default();
        // SAFETY: a null frame ends the animation; the data is then memory of libwebp's, copied and freed here.
        unsafe {
            let added = WebPAnimEncoderAdd(self.encoder.as_ptr(), ptr::null_mut(), self.elapsed, ptr::null()) != 0;
            let assembled = added && WebPAnimEncoderAssemble(self.encoder.as_ptr(), &raw mut data) != 0;
            let bytes = (assembled && !data.bytes.is_null()).then(|| slice::from_raw_parts(data.bytes, data.size).to_vec());
            WebPDataClear(&mut data);
            let mut bytes = bytes.ok_or_else(|| Error::Damaged("cannot write a WebP animation".into()))?;
            if self.transparent {
                say_transparent(&mut bytes);
            }
            Ok(bytes)
        }
    }
}

/// Libwebp sets the flag only if a frame has transparent pixels, not if frames leave a part of the canvas free: decoders that go by the flag
/// show that part black.
fn say_transparent(file: &mut [u8]) {
    if let Some([b'V', b'P', b'8', b'X', _, _, _, _, flags]) = file.get_mut(12..21) {
        *flags |= ALPHA;
    }
}

fn abi(version: u32) -> c_int {
    c_int::try_from(version).unwrap_or(c_int::MAX)
}
