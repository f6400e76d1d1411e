//! [`Into`] and [`TryInto`] as methods that name the type they lead to: what rav1d calls, in place of the crate of this name, whose licence
//! is none of those that we take.

#![no_std]
#![forbid(unsafe_code)]

/// The two methods, of every type.
pub trait To {
    /// The value as a `T`.
    #[inline]
    fn to<T>(self) -> T
    where
        Self: Into<T>,
    {
        self.into()
    }

    /// The value as a `T`, if that can hold it.
    #[inline]
    fn try_to<T>(self) -> Result<T, <Self as TryInto<T>>::Error>
    where
        Self: TryInto<T>,
    {
        self.try_into()
    }
}

impl<T> To for T {}
