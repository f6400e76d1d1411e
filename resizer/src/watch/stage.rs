//! The one list of stages: the names by which metrics, logs and traces tell where a derivative's time went.

use picture::Step;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// A part of making a derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Getting the original.
    Fetch,
    /// Waiting for memory and a worker.
    Queue,
    /// File → pixels.
    Decode,
    /// Pixels → as many as wanted, with colour and canvas.
    Scale,
    /// Pixels → file.
    Encode,
    /// Putting the derivative.
    Store,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Self; 6] = [Self::Fetch, Self::Queue, Self::Decode, Self::Scale, Self::Encode, Self::Store];

    /// Stable name for metrics, logs and traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Queue => "queue",
            Self::Decode => "decode",
            Self::Scale => "scale",
            Self::Encode => "encode",
            Self::Store => "store",
        }
    }
}

impl From<Step> for Stage {
    fn from(step: Step) -> Self {
        match step {
            Step::Decode => Self::Decode,
            Step::Scale => Self::Scale,
            Step::Encode => Self::Encode,
        }
    }
}

impl EncodeLabelValue for Stage {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        self.name().encode(encoder)
    }
}
