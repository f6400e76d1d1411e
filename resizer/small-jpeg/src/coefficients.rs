//! The quantised coefficients of a whole picture.
//!
//! Written by the encoder, read by the scans; above the frame.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    frame::{Component, Frame},
    trellis::Block,
};

/// Places in the zigzag of the AC coefficients of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// That are not zero.
    pub(crate) set: u64,
    /// That are neither zero nor one, nor minus one.
    pub(crate) large: u64,
}

impl Places {
    /// Of those that may be other than zero without their `low` lowest bits.
    #[inline(always)]
    pub(crate) fn without(self, low: u8) -> u64 {
        if low == 0 { self.set } else { self.large }
    }
}

/// Coefficients of one component.
#[derive(Debug)]
pub(crate) struct Plane {
    component: Component,
    pub(crate) blocks: Vec<Block>,
    pub(crate) places: Vec<Places>,
}

impl Plane {
    /// Blocks that hold samples of the picture, row by row, until `stop` is set.
    pub(crate) fn with_samples<'a>(&self, stop: &'a AtomicBool) -> impl Iterator<Item = usize> + use<'a> {
        let Component { columns, rows, stride, .. } = self.component;
        let rows = (0..rows).take_while(|_| !stop.load(Ordering::Relaxed));
        rows.flat_map(move |row| row * stride..row * stride + columns)
    }
}

/// Coefficients of all components.
#[derive(Debug)]
pub(crate) struct Coefficients<'a> {
    pub(crate) frame: Frame,
    pub(crate) planes: Vec<Plane>,
    /// Whether to go on.
    pub(crate) stop: &'a AtomicBool,
}

/// Bytes of all coefficients.
pub(crate) fn memory(frame: &Frame) -> usize {
    frame.components().iter().map(|component| component.blocks() * (size_of::<Block>() + size_of::<Places>())).sum()
}

impl<'a> Coefficients<'a> {
    pub(crate) fn new(frame: Frame, stop: &'a AtomicBool) -> Self {
        let planes = frame.components().iter().map(|&component| Plane {
            component,
            blocks: vec![[0; 64]; component.blocks()],
            places: vec![Places::default(); component.blocks()],
        });
        Self { frame, planes: planes.collect(), stop }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
