//! Size and sampling → the grid of blocks of each component.
//!
//! Above nothing; all that goes over blocks takes its numbers from here.

use crate::Sampling;

/// One component's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// Blocks of an MCU, across and down.
    pub(crate) across: usize,
    pub(crate) down: usize,
    /// Blocks that hold samples of the picture.
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// Blocks of a row and rows of blocks, with those that fill up the last MCUs.
    pub(crate) stride: usize,
    pub(crate) all_rows: usize,
}

impl Component {
    pub(crate) fn blocks(&self) -> usize {
        self.stride * self.all_rows
    }
}

/// All components' grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Of a pixel: 1 or 3.
    pub(crate) channels: usize,
    /// Samples of luma for one of chroma, across and down.
    pub(crate) shrink: (usize, usize),
    components: [Component; 3],
    pub(crate) mcu_columns: usize,
    pub(crate) mcu_rows: usize,
}

impl Frame {
    pub(crate) fn new(width: u32, height: u32, sampling: Sampling) -> Self {
        let (width, height) = (width as usize, height as usize);
        let (channels, shrink) = match sampling {
            Sampling::Gray => (1, (1, 1)),
            Sampling::S444 => (3, (1, 1)),
            Sampling::S422 => (3, (2, 1)),
            Sampling::S420 => (3, (2, 2)),
        };
        let (mcu_columns, mcu_rows) = (width.div_ceil(8 * shrink.0), height.div_ceil(8 * shrink.1));
        let component = |across: usize, down: usize, (width, height): (usize, usize)| Component {
            across,
            down,
            columns: width.div_ceil(8),
            rows: height.div_ceil(8),
            stride: mcu_columns * across,
            all_rows: mcu_rows * down,
        };
        let chroma = component(1, 1, (width.div_ceil(shrink.0), height.div_ceil(shrink.1)));
        let components = [component(shrink.0, shrink.1, (width, height)), chroma, chroma];
        Self { width, height, channels, shrink, components, mcu_columns, mcu_rows }
    }

    pub(crate) fn components(&self) -> &[Component] {
        &self.components[..self.channels]
    }
}
