//! The load and scale steps for a run of contiguous values: any type in, normalised float32 and flags out.

use super::convert::{Convert, Converted, convert, has_missing, truth};
use super::lanes::LANES;
use super::scale::{Real, Scale};
use crate::column::{Values, with_numbers};
use crate::plan::BranchPlan;
use crate::schema::DType;

/// Normalised values of several branches, one region each, and buffers to make them; reused from block to block.
#[derive(Default)]
pub(super) struct Scratch {
    values: Vec<f32>,
    /// How many of the values are in use; behind them there is room for one more read of [`LANES`].
    used: usize,
    /// For each value 1 if it is missing, else 0; written only in blocks where one is, see [`Scratch::complete_flags`].
    flags: Vec<u8>,
    converted: Converted,
}

/// Values between two regions: a line of the cache.
const GAP: usize = 16;

/// Where a branch's values lie in the scratch.
#[derive(Clone, Copy, Default)]
pub(super) struct Region {
    pub(super) start: usize,
    /// How many values there are.
    pub(super) len: usize,
    /// Whether one of the values is missing, so that the flags tell which.
    pub(super) missing: bool,
}

impl Scratch {
    /// Forget every region, and make room for as many others with so many values together.
    pub(super) fn clear(&mut self, regions: usize, values: usize) {
        self.used = 0;
        let room = values + regions * GAP + LANES;
        self.values.resize(self.values.len().max(room), 0.0);
    }

    /// The values of all regions, with at least [`LANES`] more behind.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The flags of all regions, as long as the values, after [`Scratch::complete_flags`].
    pub(super) fn flags(&self) -> &[u8] {
        &self.flags
    }

    /// Write the flags of the regions that have no missing value, which were left out until one was found elsewhere.
    #[inline(always)]
    pub(super) fn complete_flags(&mut self, regions: &[Region]) {
        self.flags.resize(self.flags.len().max(self.values.len()), 0);
        for region in regions.iter().filter(|region| !region.missing) {
            self.flags[region.start..region.start + region.len].fill(0);
        }
    }

    /// Convert the values of a branch to its type, normalise and clip them, put its `fill` where one is missing, and keep
    /// them in a new region.
    #[inline(always)]
    pub(super) fn add(&mut self, values: &Values<'_>, branch: &BranchPlan, scale: &Scale) -> Region {
        let (dtype, pad) = (branch.dtype, branch.padding.fill);
        // Regions of equal size would begin in the same few places of the first-level cache, and drive each other out.
        let start = self.used;
        self.used += values.len() + GAP;
        let missing = match dtype {
            DType::Bool => self.bools(values, scale, pad, start),
            DType::Int8 => self.typed::<i8>(values, scale, pad, start),
            DType::Int16 => self.typed::<i16>(values, scale, pad, start),
            DType::Int32 => self.typed::<i32>(values, scale, pad, start),
            DType::Int64 => self.typed::<i64>(values, scale, pad, start),
            DType::UInt8 => self.typed::<u8>(values, scale, pad, start),
            DType::UInt16 => self.typed::<u16>(values, scale, pad, start),
            DType::UInt32 => self.typed::<u32>(values, scale, pad, start),
            DType::UInt64 => self.typed::<u64>(values, scale, pad, start),
            DType::Float32 => self.typed::<f32>(values, scale, pad, start),
            DType::Float64 => self.typed::<f64>(values, scale, pad, start),
        };
        if let Some((lower, upper)) = branch.clip {
            clip(&mut self.values[start..start + values.len()], lower, upper);
        }
        let missing = missing || !values.validity().all_valid();
        if missing {
            self.flag(values, branch, start);
        }
        Region { start, len: values.len(), missing }
    }

    /// Of one list in a region let only the entries at these places stay, which ascend: they move to the front. With
    /// `flags` their flags do, too.
    pub(super) fn keep(&mut self, start: usize, places: &[usize], flags: bool) {
        for (to, from) in places.iter().enumerate() {
            self.values[start + to] = self.values[start + from];
            if flags {
                self.flags[start + to] = self.flags[start + from];
            }
        }
    }

    /// Values that the plan takes as numbers of `T`; tells whether one is not finite.
    #[inline(always)]
    fn typed<T: Convert>(&mut self, values: &Values<'_>, scale: &Scale, pad: f32, start: usize) -> bool {
        let out = &mut self.values[start..];
        if let Some(numbers) = T::of(values.data()) {
            return scale.apply(numbers, pad, out);
        }
        let arrived = has_missing(values.data());
        arrived | scale.apply(convert::<T>(values.data(), &mut self.converted), pad, out)
    }

    /// Values that the plan takes as bools.
    #[inline(always)]
    fn bools(&mut self, values: &Values<'_>, scale: &Scale, pad: f32, start: usize) -> bool {
        let truth = truth(values.data(), &mut self.converted);
        has_missing(values.data()) | scale.apply(truth, pad, &mut self.values[start..])
    }

    /// Flag what is null, or not finite before or after its conversion, and put the branch's fill there.
    #[inline(always)]
    fn flag(&mut self, values: &Values<'_>, branch: &BranchPlan, start: usize) {
        let (dtype, pad) = (branch.dtype, branch.padding.fill);
        let stop = start + values.len();
        self.flags.resize(self.flags.len().max(stop), 0);
        let flags = &mut self.flags[start..stop];
        let narrow = dtype == DType::Float32;
        with_numbers!(values.data(),
            numbers => if narrow {
                flags.iter_mut().zip(*numbers).for_each(|(flag, number)| *flag = u8::from(!number.single().present()));
            } else {
                flags.iter_mut().zip(*numbers).for_each(|(flag, number)| *flag = u8::from(!number.present()));
            },
            _bools => flags.fill(0)
        );
        if values.validity().all_valid() && values.data().dtype() == dtype && branch.clip.is_none() {
            return; // what was scaled is what was looked at here
        }
        values.validity().mark_nulls(flags);
        // A value that was missing before it was converted may be finite by now, and one that was filled may be clipped.
        for (value, &flag) in self.values[start..stop].iter_mut().zip(flags.iter()) {
            *value = if flag != 0 { pad } else { *value };
        }
    }
}

/// What lies outside goes to the nearest limit.
#[inline(always)]
fn clip(values: &mut [f32], lower: f32, upper: f32) {
    for value in values {
        let raised = if *value < lower { lower } else { *value };
        *value = if raised > upper { upper } else { raised };
    }
}
