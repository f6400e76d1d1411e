//! Errors: what is wrong, and where in the file.

/// Why a file was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, near byte {position}")]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Byte of the file where it was noticed, give or take a few: entropy-coded data is read ahead.
    pub position: usize,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file does not begin as a JPEG.
    #[error("not a JPEG")]
    NotJpeg,
    /// A JPEG of a kind that is not decoded here.
    #[error("unsupported: {0}")]
    Unsupported(Unsupported),
    /// A marker segment breaks the rules of the format.
    #[error("bad {0}")]
    BadSegment(&'static str),
    /// The entropy-coded data holds a code that its table does not have.
    #[error("bad Huffman code")]
    BadCode,
    /// A block has more coefficients than 64, or a scan more than its band.
    #[error("too many coefficients")]
    TooManyCoefficients,
    /// The restart marker that should be here is missing.
    #[error("no restart marker")]
    NoRestart,
    /// A colour component has no data.
    #[error("a component without data")]
    NoData,
    /// The file, a scan or a restart interval ends before the picture does.
    #[error("ends early")]
    Truncated,
    /// The file is over one of the caller's limits.
    #[error("too large: {0}")]
    Limit(Limit),
    /// The caller wanted it to [stop](crate::Plan::decode_until).
    #[error("stopped")]
    Stopped,
    /// The caller's region lies outside of the picture, or its buffer is too small.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
}

/// Kinds of JPEG that are not decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// Arithmetic coding.
    #[error("arithmetic coding")]
    Arithmetic,
    /// Lossless.
    #[error("lossless")]
    Lossless,
    /// Hierarchical.
    #[error("hierarchical")]
    Hierarchical,
    /// Samples of more or fewer bits than 8.
    #[error("{0} bits")]
    Precision(u8),
    /// Neither 1, 3 nor 4 components.
    #[error("{0} components")]
    Components(u8),
    /// The height comes after the first scan (DNL), or is zero.
    #[error("no height")]
    NoHeight,
}

/// What a file is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// [`Options::max_pixels`](crate::Options::max_pixels).
    #[error("pixels")]
    Pixels,
    /// [`Options::max_scans`](crate::Options::max_scans).
    #[error("scans")]
    Scans,
    /// [`Options::max_memory`](crate::Options::max_memory).
    #[error("memory")]
    Memory,
}

impl ErrorKind {
    pub(crate) fn at(self, position: usize) -> Error {
        Error { kind: self, position }
    }
}
