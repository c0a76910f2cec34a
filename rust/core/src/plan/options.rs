//! How specs are turned into a plan.

use std::collections::BTreeMap;

use super::{Normalize, Tensor};
use crate::error::{Error, Result, hint};
use crate::schema::{DType, Kind};
use crate::specs::{BranchSpecs, Specs};

/// How specs are turned into a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What stands where there is no value.
    pub pad_value: f32,
    /// What is to be done with branches that are not treated as most are: by name.
    pub branches: BTreeMap<String, BranchOptions>,
    /// The layout's name: `"matrix"`, `"collections"` or `"image"`.
    pub layout: String,
    /// What is made beside the matrix, each of the branches with these names in this order.
    pub tensors: Vec<(Tensor, Vec<String>)>,
}

impl Default for Options {
    fn default() -> Options {
        let layout = super::layout::MATRIX.to_owned();
        Options { pad_value: 0.0, branches: BTreeMap::new(), layout, tensors: Vec::new() }
    }
}

/// How one branch is treated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BranchOptions {
    /// The rule that normalises it.
    pub normalize: Rule,
    /// Between which numbers values are clipped after that.
    pub clip: Option<(f32, f32)>,
    /// Its width, in place of the largest length of the specs.
    pub width: Option<u64>,
    /// What stands where a value is missing, in place of the pad value.
    pub fill: Option<f32>,
    /// Whether lists are repeated instead of padded.
    pub wrap: bool,
    /// The branch whose largest values say which entries of a long list stay.
    pub largest: Option<String>,
}

impl BranchOptions {
    /// Refuse what a branch cannot have.
    pub(super) fn check(&self, branch: &str, specs: &Specs) -> Result<()> {
        let flat = specs.branch(branch)?.kind == Kind::Flat;
        if flat && self.width.is_some() {
            return Err(Error::WidthOfFlat { branch: branch.to_owned() });
        }
        if let Some(largest) = &self.largest
            && specs.branch(largest)?.kind == Kind::Flat
        {
            return Err(Error::FlatKey { branch: largest.clone() });
        }
        Ok(())
    }
}

/// The name of a normalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// From the minimum, 0, to the maximum, 1.
    #[default]
    MinMax,
    /// By mean and standard deviation.
    Standard,
    /// By median and the range of the quantiles from 16 to 84 %.
    Robust,
    /// As values stand.
    None,
}

impl Rule {
    const ALL: [Rule; 4] = [Rule::MinMax, Rule::Standard, Rule::Robust, Rule::None];

    /// The rule of that name, or an error that says the nearest.
    pub fn from_name(name: &str) -> Result<Rule> {
        let unknown = || {
            let hint = hint(name, Rule::ALL.into_iter().map(Rule::name));
            Error::Normalize { found: name.to_owned(), hint }
        };
        Rule::ALL.into_iter().find(|rule| rule.name() == name).ok_or_else(unknown)
    }

    fn name(self) -> &'static str {
        match self {
            Rule::MinMax => "minmax",
            Rule::Standard => "standard",
            Rule::Robust => "robust",
            Rule::None => "none",
        }
    }

    /// The rule with what the specs say of a branch, whose values are taken as `dtype`.
    pub(super) fn of(self, name: &str, branch: &BranchSpecs, dtype: DType) -> Result<Normalize> {
        let statistics = || {
            let missing = || Error::NoStatistics { branch: name.to_owned(), normalize: self.name() };
            branch.statistics.as_ref().ok_or_else(missing)
        };
        Ok(match self {
            Rule::MinMax => {
                Normalize::MinMax(branch.range.map(|(min, max)| (min.promoted(dtype), max.promoted(dtype))))
            }
            Rule::Standard => {
                let found = statistics()?;
                let numbers = found.mean().zip(found.deviation()).filter(finite);
                if numbers.is_none() && branch.range.is_some() {
                    return Err(Error::NoMean { branch: name.to_owned() });
                }
                Normalize::Standard(numbers.map(rounded))
            }
            Rule::Robust => {
                let found = statistics()?;
                let range = found.quantile(0.84).zip(found.quantile(0.16)).map(|(upper, lower)| upper - lower);
                Normalize::Robust(found.quantile(0.5).zip(range).filter(finite))
            }
            Rule::None => Normalize::None,
        })
    }
}

fn finite((center, scale): &(f64, f64)) -> bool {
    center.is_finite() && scale.is_finite()
}

/// A mean and a deviation without their last digits, so that plans of the same events are the same.
///
/// Sums depend in their last digits on how the values were grouped, which other formats and clusters do otherwise. The
/// deviation keeps 32 significant bits, and the mean what is as large as these, whichever of the two is larger: matrices
/// are float32, of 24 bits.
fn rounded((mean, deviation): (f64, f64)) -> (f64, f64) {
    const DROPPED: u32 = 21; // of the 52 bits behind the first
    let bits = (deviation.to_bits() + (1 << (DROPPED - 1))) >> DROPPED << DROPPED;
    let power = f64::from_bits(bits >> 52 << 52); // of two
    let unit = power / f64::from(1_u32 << (52 - DROPPED));
    let (near, scale) = ((mean / unit).round() * unit + 0.0, f64::from_bits(bits)); // no -0
    (if near.is_finite() { near } else { mean }, if scale.is_finite() { scale } else { deviation })
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn last_digits_are_dropped() {
        let third = 1.0 / 3.0;
        let (mean, deviation) = rounded((third, third));
        assert_eq!(rounded((third * (1.0 + 1e-13), third * (1.0 - 1e-13))), (mean, deviation));
        assert!((mean / third - 1.0).abs() < 1e-9 && (deviation / third - 1.0).abs() < 1e-9);
        assert_eq!(rounded((mean, deviation)), (mean, deviation));
    }

    #[test]
    fn a_mean_is_as_exact_as_its_deviation() {
        assert_eq!(rounded((-1e-17, 0.7)).0.to_bits(), 0.0_f64.to_bits());
        assert_eq!(rounded((1_700_000_000.25, 0.5)).0, 1_700_000_000.25);
    }

    #[test]
    fn extremes_stay() {
        for extreme in [(5.0, 0.0), (f64::MAX, f64::MAX), (1.0, 5e-324), (f64::MAX, f64::MIN_POSITIVE)] {
            let (mean, deviation) = rounded(extreme);
            assert!(mean == extreme.0 && deviation.is_finite(), "{extreme:?}: {mean} {deviation}");
        }
    }
}
