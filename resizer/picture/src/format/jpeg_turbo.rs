//! The part of libjpeg-turbo that decodes, for what scaled-jpeg does not read.
//!
//! Not by the safe wrapper, which keeps all profiles of a file, and does not let the memory of the library be bounded.
//!
//! Below `jpeg`, above the raster.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_int, c_void},
    ptr::NonNull,
};

use scaled_jpeg::Scale;
use turbojpeg::raw;

use crate::{Error, budget::Budget, channels::Channels, raster::Raster};

/// A decoder of one file.
pub(crate) struct Decoder<'a> {
    handle: NonNull<c_void>,
    source: &'a [u8],
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and freed only here.
        unsafe { raw::tj3Destroy(self.handle.as_ptr()) }
    }
}

/// What a decoder may take.
pub(crate) struct Bounds {
    pub(crate) scans: u32,
    /// Bytes of coefficients.
    pub(crate) memory: u64,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(source: &'a [u8], bounds: &Bounds) -> Result<Self, Error> {
        // SAFETY: no pointers; null is handled.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS.cast_signed()) };
        let handle = NonNull::new(handle.cast()).ok_or_else(|| Error::Damaged("cannot start libjpeg-turbo".into()))?;
        let decoder = Self { handle, source };
        decoder.set(raw::TJPARAM_TJPARAM_SAVEMARKERS, 0)?;
        decoder.set(raw::TJPARAM_TJPARAM_SCANLIMIT, bounds.scans)?;
        // the first warning is an error: a scan that comes twice is one, so work is bounded
        decoder.set(raw::TJPARAM_TJPARAM_STOPONWARNING, 1)?;
        // in megabytes; buffers for rows come on top
        let memory = bounds.memory.div_ceil(1 << 20).saturating_add(8);
        decoder.set(raw::TJPARAM_TJPARAM_MAXMEMORY, u32::try_from(memory).unwrap_or(u32::MAX))?;
        Ok(decoder)
    }

    /// Decodes all of the picture at `scale` into `channels`.
    ///
    /// Whatever the library would only warn of, such as a file that ends early, is an error: the rest of such a picture is gray.
    pub(crate) fn decode(self, scale: Scale, channels: Channels, budget: &Budget) -> Result<Raster, Error> {
        // SAFETY: the handle is alive, and the source a live slice.
        self.check(unsafe { raw::tj3DecompressHeader(self.handle(), self.source.as_ptr(), self.source.len() as _) })?;
        let whole = (self.get(raw::TJPARAM_TJPARAM_JPEGWIDTH)?, self.get(raw::TJPARAM_TJPARAM_JPEGHEIGHT)?);
        let (width, height) = scale.size_of(whole);
        budget.admit((width, height), channels)?;
        // it takes fractions in their lowest terms
        let common = 1 << scale.eighths().trailing_zeros();
        let scale = raw::tjscalingfactor { num: integer(scale.eighths() / common)?, denom: integer(8 / common)? };
        // SAFETY: the handle is alive.
        self.check(unsafe { raw::tj3SetScalingFactor(self.handle(), scale) })?;
        let format = match channels {
            Channels::Gray => raw::TJPF_TJPF_GRAY,
            Channels::Cmyk => raw::TJPF_TJPF_CMYK,
            _ => raw::TJPF_TJPF_RGB,
        };
        let mut raster = Raster::new(budget, width, height, channels)?;
        let pitch = c_int::try_from(raster.stride()).map_err(|_| Error::TooLarge(format!("rows of {} bytes", raster.stride())))?;
        // SAFETY: the source is a live slice of which the header was just read with this handle; the pixels are `height` rows of
        // `pitch` bytes, which is what the scaled size and the format take.
        self.check(unsafe {
            raw::tj3Decompress8(self.handle(), self.source.as_ptr(), self.source.len() as _, raster.pixels.as_mut_ptr(), pitch, format)
        })?;
        Ok(raster)
    }

    fn handle(&self) -> raw::tjhandle {
        self.handle.as_ptr().cast()
    }

    fn set(&self, parameter: raw::TJPARAM, value: u32) -> Result<(), Error> {
        // SAFETY: the handle is alive.
        self.check(unsafe { raw::tj3Set(self.handle(), integer(parameter)?, integer(value)?) })
    }

    fn get(&self, parameter: raw::TJPARAM) -> Result<u32, Error> {
        // SAFETY: the handle is alive.
        let value = unsafe { raw::tj3Get(self.handle(), integer(parameter)?) };
        u32::try_from(value).map_err(|_| self.failure())
    }

    fn check(&self, result: c_int) -> Result<(), Error> {
        if result == 0 { Ok(()) } else { Err(self.failure()) }
    }

    fn failure(&self) -> Error {
        // SAFETY: the handle is alive; the message is a string of its own, copied before the next call.
        let message = unsafe { CStr::from_ptr(raw::tj3GetErrorStr(self.handle())) }.to_string_lossy().into_owned();
        if message.contains("Unsupported") { Error::Unsupported(message) } else { Error::Damaged(message) }
    }
}

fn integer(value: u32) -> Result<c_int, Error> {
    c_int::try_from(value).map_err(|_| Error::TooLarge(format!("{value} where libjpeg-turbo takes 31 bits")))
}
