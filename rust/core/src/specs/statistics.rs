//! What the scan learned of how a branch's values and lengths are distributed.

use super::bins::Bins;
use super::moments::{Moments, VALUES};
use super::sketch::middle;

/// Moments, quantiles and lengths of one branch; mergeable in any order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Smallest and largest finite value.
    bounds: Option<(f64, f64)>,
    /// Nothing where a value is so large that its square is beyond float64.
    moments: Option<Moments>,
    sketch: Bins,
    lengths: Option<Bins>,
}

impl Statistics {
    /// Of values between these bounds, if there are finite ones.
    pub(crate) fn new(bounds: Option<(f64, f64)>, moments: Moments, sketch: Bins, lengths: Option<Bins>) -> Statistics {
        let small = bounds.is_none_or(|(min, max)| -VALUES < min && max < VALUES);
        Statistics { bounds, moments: small.then_some(moments), sketch, lengths }
    }

    /// The mean of the finite values, weighted where the events have weights.
    ///
    /// Nothing if there is none, the weights sum to 0, or a value is beyond 1e100.
    pub fn mean(&self) -> Option<f64> {
        let moments = self.moments.filter(|_| self.bounds.is_some())?;
        match self.bounds {
            Some((min, max)) if min == max => moments.mean().map(|_| min),
            _ => moments.mean(),
        }
    }

    /// The standard deviation of the finite values as a whole population, weighted where the events have weights.
    ///
    /// Nothing where there is no mean, or where negative weights make the variance negative.
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean();
        match self.bounds {
            Some((min, max)) if min == max => mean.map(|_| 0.0),
            _ => mean.and(self.moments).and_then(|moments| moments.deviation()),
        }
    }

    /// The finite value of rank ceil(q n) among n, at least the first, without weights; off by less than 0.79 %, and never
    /// outside of minimum and maximum. Nothing if there are no finite values, or `q` is not from 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (min, max) = self.bounds?;
        self.sketch.quantile(q).map(|bin| middle(bin).clamp(min, max))
    }

    /// The smallest length that a share `q` of all lists does not exceed; beyond 1024 up to 0.2 % more. Nothing for a flat
    /// branch, without events, or if `q` is not from 0 to 1.
    pub fn length_quantile(&self, q: f64) -> Option<u64> {
        self.lengths.as_ref()?.quantile(q).map(|length| length as u64)
    }

    /// How many finite values there are in each bin of the sketch.
    pub fn sketch(&self) -> &Bins {
        &self.sketch
    }

    /// How many lists there are of each length, of a jagged branch.
    pub fn lengths(&self) -> Option<&Bins> {
        self.lengths.as_ref()
    }

    /// The sums behind mean and deviation; nothing where a value is beyond 1e100.
    pub(super) fn moments(&self) -> Option<&Moments> {
        self.moments.as_ref()
    }

    /// Both together.
    pub(super) fn merged(&self, other: &Statistics) -> Statistics {
        let bounds = match (self.bounds, other.bounds) {
            (Some(left), Some(right)) => Some((left.0.min(right.0), left.1.max(right.1))),
            (left, right) => left.or(right),
        };
        let lengths = self.lengths.as_ref().zip(other.lengths.as_ref());
        Statistics {
            bounds,
            moments: self.moments.zip(other.moments).map(|(left, right)| left.plus(right)),
            sketch: self.sketch.merged(&other.sketch),
            lengths: lengths.map(|(left, right)| left.merged(right)),
        }
    }
}
