//! A bitstream → a frame of samples, by rav1d: on this thread, without film grain, and without a word on standard error.
//!
//! rav1d offers only the interface of C, whence the unsafe code. Below what decodes, above nothing.
#![allow(unsafe_code, reason = "rav1d has no other interface")]

use std::{ffi::c_void, mem::MaybeUninit, ptr::NonNull, slice};

use rav1d::{
    include::dav1d::{
        data::Dav1dData,
        dav1d::{Dav1dContext, Dav1dLogger, Dav1dSettings},
        headers::{DAV1D_PIXEL_LAYOUT_I400, DAV1D_PIXEL_LAYOUT_I420, DAV1D_PIXEL_LAYOUT_I422},
        picture::Dav1dPicture,
    },
    src::{
        lib::{
            dav1d_close, dav1d_data_unref, dav1d_data_wrap, dav1d_default_settings, dav1d_get_picture, dav1d_open, dav1d_picture_unref,
            dav1d_send_data,
        },
        send_sync_non_null::SendSyncNonNull,
    },
};

use super::av1::{Header, Layout};
use crate::Error;

/// A decoded frame.
pub(super) struct Frame {
    picture: Dav1dPicture,
    header: Header,
}

/// One kind of samples of a frame.
pub(super) struct Plane<'a> {
    bytes: &'a [u8],
    stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    sample: usize,
}

impl Plane<'_> {
    /// Writes the samples of a row, and says how many.
    pub(super) fn row(&self, row: usize, into: &mut [u16]) -> usize {
        let bytes = &self.bytes[row * self.stride..][..self.width * self.sample];
        if self.sample == 1 {
            into.iter_mut().zip(bytes).for_each(|(into, &sample)| *into = sample.into());
        } else {
            into.iter_mut().zip(bytes.as_chunks().0).for_each(|(into, &sample)| *into = u16::from_ne_bytes(sample));
        }
        self.width
    }
}

impl Frame {
    /// Decodes the one frame of `stream`, which is as `header` says.
    pub(super) fn decode(stream: &[u8], header: Header) -> Result<Self, Error> {
        let failed = |what: &str| Error::Damaged(format!("AVIF: {what}"));
        let mut decoder = Decoder::open(&header).ok_or_else(|| failed("the decoder does not begin"))?;
        let picture = decoder.decode(stream).ok_or_else(|| failed("its pixels make no sense"))?;
        let frame = Self { picture, header };
        if frame.is_as_said() { Ok(frame) } else { Err(failed("other pixels than its header says")) }
    }

    fn is_as_said(&self) -> bool {
        let parameters = &self.picture.p;
        let layout = match parameters.layout {
            DAV1D_PIXEL_LAYOUT_I400 => Layout::Gray,
            DAV1D_PIXEL_LAYOUT_I420 => Layout::Quarter,
            DAV1D_PIXEL_LAYOUT_I422 => Layout::Half,
            _ => Layout::Full,
        };
        let size = (u32::try_from(parameters.w), u32::try_from(parameters.h));
        size == (Ok(self.header.width), Ok(self.header.height))
            && parameters.bpc == i32::from(self.header.depth)
            && layout == self.header.layout
    }

    /// The first kind of samples is light, two others may be colours.
    pub(super) fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let (across, down) = match self.header.layout {
            _ if index == 0 => (1, 1),
            Layout::Gray => return None,
            Layout::Quarter => (2, 2),
            Layout::Half => (2, 1),
            Layout::Full => (1, 1),
        };
        let data = (*self.picture.data.get(index)?)?;
        let stride = usize::try_from(self.picture.stride[index.min(1)]).ok()?;
        let (width, height) = (self.header.width.div_ceil(across) as usize, self.header.height.div_ceil(down) as usize);
        // SAFETY: the decoder's picture has as many rows of this stride as its size and layout say, which are those of the header: they
        // were compared before anybody has a `Frame`. It lives as long as `self`, and nothing writes to it any more.
        let bytes = unsafe { slice::from_raw_parts(data.cast::<u8>().as_ptr(), stride * height) };
        Some(Plane { bytes, stride, width, height, sample: if self.header.depth > 8 { 2 } else { 1 } })
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: a picture of the decoder's, which is given back once.
        unsafe { dav1d_picture_unref(Some(NonNull::from(&mut self.picture))) }
    }
}

struct Decoder(Option<Dav1dContext>);

unsafe extern "C" fn keep(_: *const u8, _: Option<SendSyncNonNull<c_void>>) {}

impl Decoder {
    fn open(header: &Header) -> Option<Self> {
        let mut settings = MaybeUninit::<Dav1dSettings>::uninit();
        // SAFETY: this writes all settings.
        let mut settings = unsafe {
            dav1d_default_settings(NonNull::from(&mut settings).cast());
            settings.assume_init()
        };
        (settings.n_threads, settings.max_frame_delay, settings.apply_grain) = (1, 1, 0);
        settings.frame_size_limit = header.width.saturating_mul(header.height);
        // SAFETY: no callback, so nothing is called.
        settings.logger = unsafe { Dav1dLogger::new(None, None) };
        let mut decoder = Self(None);
        // SAFETY: both are there to be written and read.
        let opened = unsafe { dav1d_open(Some(NonNull::from(&mut decoder.0)), Some(NonNull::from(&mut settings))) };
        (opened.0 == 0 && decoder.0.is_some()).then_some(decoder)
    }

    /// The decoder is closed behind this: it holds `stream` no longer than it lives.
    fn decode(&mut self, stream: &[u8]) -> Option<Dav1dPicture> {
        let (mut data, mut picture) = (Dav1dData::default(), Dav1dPicture::default());
        let (data, into) = (NonNull::from(&mut data), NonNull::from(&mut picture));
        let bytes = NonNull::new(stream.as_ptr().cast_mut());
        // SAFETY: the decoder only reads `stream`. What it has taken of `data` it drops when it is closed, and what is left of it is
        // dropped here: `stream` outlives both. The picture, which outlives them, does not refer to it.
        let decoded = unsafe {
            let wrapped = dav1d_data_wrap(Some(data), bytes, stream.len(), Some(keep), None).0 == 0;
            let decoded = wrapped && dav1d_send_data(self.0, Some(data)).0 == 0 && dav1d_get_picture(self.0, Some(into)).0 == 0;
            dav1d_data_unref(Some(data));
            decoded
        };
        decoded.then_some(picture)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        if self.0.is_some() {
            // SAFETY: opened, and closed once.
            unsafe { dav1d_close(Some(NonNull::from(&mut self.0))) }
        }
    }
}
