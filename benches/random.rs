//! Random numbers of the benches, the same in every run.

use mlaas4hep_core::schedule::splitmix64;

/// A number from 0 to 1.
pub fn uniform(state: &mut u64) -> f64 {
    *state += 1;
    (splitmix64(*state) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A Poisson number by Knuth's product of uniform numbers, cut at `most`.
pub fn length(state: &mut u64, mean: f64, most: u64) -> u64 {
    let (limit, mut product, mut number) = ((-mean).exp(), uniform(state), 0);
    while product > limit {
        product *= uniform(state);
        number += 1;
    }
    number.min(most)
}
