//! Counts by bin, of which most are empty.

/// How many things fell into each bin: only bins that have some, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bins(Vec<(i64, u64)>);

impl Bins {
    /// Counts of bins in ascending order; empty ones are left out.
    pub(crate) fn of(counts: impl Iterator<Item = (i64, u64)>) -> Bins {
        Bins(counts.filter(|&(_, count)| count > 0).collect())
    }

    /// The bins that have some, with their counts, in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, u64)> {
        self.0.iter().copied()
    }

    /// Whether there is nothing in any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many things there are in all.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|&(_, count)| count).sum()
    }

    /// Both together, the same in any order.
    pub fn merged(&self, other: &Bins) -> Bins {
        let mut merged = Vec::with_capacity(self.0.len().max(other.0.len()));
        let (mut left, mut right) = (self.0.as_slice(), other.0.as_slice());
        while let (Some((&first, left_rest)), Some((&second, right_rest))) = (left.split_first(), right.split_first()) {
            let (bin, order) = (first.0.min(second.0), first.0.cmp(&second.0));
            let from_left = if order.is_le() { first.1 } else { 0 };
            let from_right = if order.is_ge() { second.1 } else { 0 };
            merged.push((bin, from_left.saturating_add(from_right)));
            left = if order.is_le() { left_rest } else { left };
            right = if order.is_ge() { right_rest } else { right };
        }
        merged.extend_from_slice(left);
        merged.extend_from_slice(right);
        Bins(merged)
    }

    /// The bin of rank ceil(q n) among n things in ascending order, at least that of the first: the lowest bin up to
    /// which lies a share `q` or more. The product is one of float64. Nothing if there are none or `q` is not from 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<i64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = ((q * self.total() as f64).ceil() as u64).max(1);
        let mut below = 0;
        let mut bins = self.0.iter().map(|&(bin, count)| {
            below += count;
            (bin, below)
        });
        let found = bins.find(|&(_, up_to)| up_to >= rank).map(|(bin, _)| bin);
        found.or(self.0.last().map(|&(bin, _)| bin))
    }

    /// As text: runs of neighbouring bins, as `first:count,count,...`, with blanks between them.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut next = None;
        for &(bin, count) in &self.0 {
            if next == Some(bin) {
                text.push(',');
            } else {
                text.push_str(if next.is_some() { " " } else { "" });
                text.push_str(&format!("{bin}:"));
            }
            text.push_str(&count.to_string());
            next = Some(bin + 1);
        }
        text
    }

    /// From the text that [`Bins::to_text`] gives; nothing if it is none.
    pub(super) fn from_text(text: &str) -> Option<Bins> {
        let (mut bins, mut total) = (Vec::new(), 0_u64);
        for run in text.split(' ').filter(|run| !run.is_empty()) {
            let (first, counts) = run.split_once(':')?;
            let mut bin: i64 = first.parse().ok()?;
            for count in counts.split(',') {
                let count = count.parse().ok().filter(|&count| count > 0)?;
                total = total.checked_add(count)?;
                if bins.last().is_some_and(|&(last, _)| last >= bin) {
                    return None;
                }
                bins.push((bin, count));
                bin = bin.checked_add(1)?;
            }
        }
        Some(Bins(bins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bins() -> impl Strategy<Value = Bins> {
        prop::collection::btree_map(-20..20_i64, 0..5_u64, 0..12).prop_map(|counts| Bins::of(counts.into_iter()))
    }

    #[test]
    fn the_rank_is_that_of_the_inverse_of_the_distribution() {
        let bins = Bins::of([(-3, 1), (2, 0), (5, 2), (9, 1)].into_iter());
        let at = |q: f64| bins.quantile(q);
        assert_eq!([0.0, 0.25, 0.26, 0.75, 0.76, 1.0].map(at), [-3, -3, 5, 5, 9, 9].map(Some));
        assert_eq!((at(-0.1), at(1.1), at(f64::NAN), Bins::default().quantile(0.5)), (None, None, None, None));
    }

    #[test]
    fn what_is_no_text_of_bins_is_refused() {
        for text in ["1", "a:1", "1:", "1:0", "1:-2", "1:1 1:1", "2:1 1:1", "1:18446744073709551615 5:1", "1:1,,2"] {
            assert_eq!(Bins::from_text(text), None, "{text}");
        }
        assert_eq!(Bins::from_text(""), Some(Bins::default()));
    }

    proptest! {
        #[test]
        fn merging_adds_up_in_any_order(a in bins(), b in bins(), c in bins()) {
            prop_assert_eq!(a.merged(&b).merged(&c), c.merged(&a.merged(&b)));
            prop_assert_eq!(a.merged(&b).total(), a.total() + b.total());
        }

        #[test]
        fn text_reads_back_equal(bins in bins()) {
            prop_assert_eq!(Bins::from_text(&bins.to_text()), Some(bins));
        }
    }
}
