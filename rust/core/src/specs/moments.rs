//! Sums from which mean and standard deviation follow.

use crate::elementary::double::{Double, add, div, mul, mul_d, neg, two_prod};

/// Below this magnitude values have moments; their squares times weights, and sums of them, stay inside float64.
pub(crate) const VALUES: f64 = 1e100;

/// Below this magnitude weights must be.
pub(crate) const WEIGHTS: f64 = 1e60;

/// Variances that are smaller than this share of the mean square are what rounding left.
const NOISE: f64 = 1e-27;

/// Sums over finite values of their weights, of the weighted values, and of their weighted squares.
///
/// They have twice the digits of a float64, 106 bits, so that nothing is lost when the mean is subtracted, and adding up
/// in any order gives what differs by no more than 1e-12 of the largest magnitude in mean and deviation. A block of
/// values is first summed about a pivot in its midst, in float64, and then moved to 0: with W = sum of w, d = x - p,
/// sum of w x = sum of w d + p W, and sum of w x^2 = sum of w d^2 + 2 p sum of w d + p^2 W.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    weight: Double,
    sum: Double,
    squares: Double,
}

impl Moments {
    /// From the sums of w, w d and w d^2 about a pivot.
    pub(crate) fn about(pivot: f64, weight: f64, sum: f64, squares: f64) -> Moments {
        let twice = mul_d(two_prod(pivot, sum), 2.0);
        let moved = add(twice, mul_d(two_prod(pivot, pivot), weight));
        Moments {
            weight: (weight, 0.0),
            sum: add(two_prod(pivot, weight), (sum, 0.0)),
            squares: add(moved, (squares, 0.0)),
        }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Moments) -> Moments {
        Moments {
            weight: add(self.weight, other.weight),
            sum: add(self.sum, other.sum),
            squares: add(self.squares, other.squares),
        }
    }

    /// The weighted mean; nothing if the weights sum to 0.
    pub fn mean(&self) -> Option<f64> {
        (self.weight.0 != 0.0).then(|| div(self.sum, self.weight).0)
    }

    /// The weighted standard deviation of the population, sqrt(sum of w (x - mean)^2 / W); nothing if the weights sum to
    /// 0, or negative ones make the sum negative.
    pub fn deviation(&self) -> Option<f64> {
        if self.weight.0 == 0.0 {
            return None;
        }
        let (mean, square) = (div(self.sum, self.weight), div(self.squares, self.weight));
        let variance = add(square, neg(mul(mean, mean))).0;
        let noise = NOISE * mean.0 * mean.0;
        (variance >= -noise).then(|| variance.max(0.0).sqrt())
    }

    /// The three sums, each as high and low part.
    pub(super) fn parts(&self) -> [f64; 6] {
        [self.weight.0, self.weight.1, self.sum.0, self.sum.1, self.squares.0, self.squares.1]
    }

    /// From these; nothing if they are none.
    pub(super) fn from_parts(parts: [f64; 6]) -> Option<Moments> {
        let [a, b, c, d, e, f] = parts;
        let sums = [(a, b), (c, d), (e, f)];
        let fits = sums.iter().all(|&(high, low)| (high + low).is_finite() && high + low == high);
        fits.then_some(Moments { weight: sums[0], sum: sums[1], squares: sums[2] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(f64, f64)], pivot: f64) -> Moments {
        let each = values.iter().map(|&(x, w)| Moments::about(pivot, w, w * (x - pivot), w * (x - pivot).powi(2)));
        each.fold(Moments::default(), Moments::plus)
    }

    #[test]
    fn the_pivot_does_not_matter() {
        let values = [(1e6 + 1.0, 1.0), (1e6 + 2.0, 2.0), (1e6 + 4.0, 1.0)];
        let (near, far) = (of(&values, 1e6), of(&values, 0.0));
        assert_eq!((near.mean(), far.mean()), (Some(1e6 + 2.25), Some(1e6 + 2.25)));
        for moments in [near, far] {
            assert!((moments.deviation().unwrap() - 1.1875f64.sqrt()).abs() < 1e-9);
        }
    }

    #[test]
    fn weights_may_be_negative_but_must_not_cancel() {
        assert_eq!(of(&[(1.0, 3.0), (5.0, -1.0)], 1.0).mean(), Some(-1.0));
        assert_eq!(of(&[(1.0, 3.0), (5.0, -1.0)], 1.0).deviation(), None);
        assert_eq!((of(&[(1.0, 1.0), (5.0, -1.0)], 0.0).mean(), Moments::default().deviation()), (None, None));
    }

    #[test]
    fn parts_read_back_equal() {
        let moments = of(&[(0.1, 0.3), (1e-9, 7.0), (12345.678, 1e-3)], 0.5);
        assert_eq!(Moments::from_parts(moments.parts()), Some(moments));
        assert_eq!(Moments::from_parts([1.0, 0.5, 0.0, 0.0, 0.0, 0.0]), None);
        assert_eq!(Moments::from_parts([f64::INFINITY, 0.0, 0.0, 0.0, 0.0, 0.0]), None);
    }
}
