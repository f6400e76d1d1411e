//! When an object was stored: seconds of the store's clock, and how they are written.

use std::{fmt, str::FromStr, time::SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

/// A moment of the store's clock, in seconds since 1970. Written as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// This moment by the clock of this machine.
    pub fn now() -> Self {
        DateTime::from(SystemTime::now()).into()
    }
}

impl Moment {
    /// As HTTP writes it, `Fri, 02 Jan 2026 03:04:05 GMT` for example.
    pub fn http_date(self) -> String {
        DateTime::from_secs(self.0).fmt(DateTimeFormat::HttpDate).unwrap_or_default()
    }
}

impl From<DateTime> for Moment {
    fn from(time: DateTime) -> Self {
        Self(time.secs())
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment = DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset);
        moment.map(|moment| Self(moment.secs())).map_err(|_| "want a time such as 2026-01-02T03:04:05Z")
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::from_secs(self.0).fmt(DateTimeFormat::DateTime).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        assert_eq!("2026-01-02T03:04:05Z".parse::<Moment>().unwrap().to_string(), "2026-01-02T03:04:05Z");
        assert_eq!("2026-01-02T03:04:05Z".parse::<Moment>().unwrap().http_date(), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!("2026-01-02T04:04:05.5+01:00".parse::<Moment>().unwrap().to_string(), "2026-01-02T03:04:05Z");
        for text in ["", "yesterday", "2026-01-02", "1767323045"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert!(Moment::now() > "2026-01-02T03:04:05Z".parse().unwrap());
    }
}
