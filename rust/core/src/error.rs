//! The one error enum. A message says what was wrong, in which branch, and what would be right.

use crate::schema::{DType, Kind};

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that input can get wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("there are no columns: give at least one flat or jagged column of numbers")]
    NoColumns,
    #[error("branch '{branch}': there are two columns of this name; names must be unique")]
    DuplicateColumn { branch: String },
    #[error("branch '{branch}' has {found} events, but '{other}' has {expected}; all columns need the same number")]
    EventCount { branch: String, found: usize, other: String, expected: usize },
    #[error("branch '{branch}': the offsets of event {event} go backwards, from {start} to {stop}")]
    OffsetsDecrease { branch: String, event: usize, start: i64, stop: i64 },
    #[error("branch '{branch}': the offsets end at {stop}, but the content has {available} values")]
    OffsetsOutside { branch: String, stop: i64, available: usize },
    #[error("branch '{branch}': the offsets begin at {start}; they cannot be negative")]
    OffsetsNegative { branch: String, start: i64 },
    #[error("branch '{branch}': offsets are empty; n events need n + 1 of them")]
    NoOffsets { branch: String },
    #[error("branch '{branch}': the mask has {found} entries for {expected} values")]
    MaskLength { branch: String, found: usize, expected: usize },
    #[error("branch '{branch}' changes between {first} and {second} from one part of the data to the next")]
    MixedKinds { branch: String, first: Kind, second: Kind },

    #[error("branch '{branch}' is not in the data, but the specs name it{hint}")]
    MissingBranch { branch: String, hint: String },
    #[error("branch '{branch}' is {found} in the data, but {expected} in the specs")]
    WrongKind { branch: String, found: Kind, expected: Kind },
    #[error("branch '{branch}' is not in the specs{hint}")]
    UnknownBranch { branch: String, hint: String },
    #[error(
        "two columns of the matrix would be called '{name}': from branch '{first}' and branch '{second}'; leave one out"
    )]
    ColumnClash { name: String, first: String, second: String },

    #[error("specs cannot be merged: there are none")]
    NothingToMerge,
    #[error("specs cannot be merged: branch '{branch}' is in one of them only")]
    MergeBranches { branch: String },
    #[error("specs cannot be merged: branch '{branch}' is {first} in one of them and {second} in another")]
    MergeKinds { branch: String, first: Kind, second: Kind },
    #[error("specs cannot be merged: they were made with different formulas and cuts")]
    MergePreproc,
    #[error("specs cannot be merged: they were made with different sentinels")]
    MergeSentinels,
    #[error("specs cannot be merged: some were made with weights of the events and some without")]
    MergeWeights,
    #[error("{what}: line {line}, column {column}: {reason}")]
    Json { what: &'static str, line: usize, column: usize, reason: String },
    #[error("{what}: {place} is {found}; it must be {expected}")]
    Field { what: &'static str, place: String, found: String, expected: String },
    #[error("{what}: {place} is missing")]
    MissingField { what: &'static str, place: String },
    #[error("{what}: branch '{branch}' is named in {first} and in {second}; it can be in one of them")]
    TwoPlaces { what: &'static str, branch: String, first: &'static str, second: &'static str },
    #[error("{what}: version {found} is newer than this program, which knows version {known}")]
    Version { what: &'static str, found: u64, known: u64 },
    #[error("specs: branch '{branch}': the minimum {min} is above the maximum {max}")]
    RangeReversed { branch: String, min: String, max: String },

    #[error("{place}: {message}{shown}")]
    Formula { place: String, message: String, shown: String },
    #[error("event {event}: the result is beyond int64{shown}")]
    Overflow { event: usize, shown: String },
    #[error("event {event}: branch '{branch}' is {value}; a formula takes integers up to 2^63 - 1")]
    TooLarge { event: usize, branch: String, value: u64 },
    #[error(
        "event {event}: '{first}' has {found} entries and '{second}' has {expected}; both need the same number{shown}"
    )]
    Lengths { event: usize, first: String, found: usize, second: String, expected: usize, shown: String },
    #[error("event {event}: branch '{first}' has {found} entries and '{second}' has {expected}; {why}")]
    Unequal { event: usize, first: String, found: usize, second: String, expected: usize, why: String },
    #[error(
        "event {event}: branch '{branch}' has {found} entries; image '{image}' needs {expected}, {height} x {width}"
    )]
    Pixels { event: usize, branch: String, found: usize, image: String, expected: usize, height: usize, width: usize },
    #[error("specs: new branch '{branch}' is not in them; scan the data with these formulas and cuts")]
    NotScanned { branch: String },

    #[error("normalize is '{found}'; it must be 'minmax', 'standard', 'robust' or 'none'{hint}")]
    Normalize { found: String, hint: String },
    #[error(
        "branch '{branch}': the specs have no statistics, which normalize '{normalize}' needs; scan the data again"
    )]
    NoStatistics { branch: String, normalize: &'static str },
    #[error(
        "branch '{branch}' has no mean and deviation, which normalize 'standard' needs: values are beyond 1e100, or \
         weights sum to 0 or less; take 'robust' or 'minmax'"
    )]
    NoMean { branch: String },
    #[error("truncate: branch '{branch}' is flat; entries stay by the values of a jagged branch")]
    FlatKey { branch: String },
    #[error("branch '{branch}' is in '{first}' and in '{second}'; it can be in one of them")]
    TwoTensors { branch: String, first: String, second: String },
    #[error("widths: branch '{branch}' is flat; only jagged branches have a width")]
    WidthOfFlat { branch: String },
    #[error("the matrix would have {columns} columns; at most {limit} are possible")]
    TooWide { columns: u64, limit: u64 },
    #[error("out: {what} has {found} {unit}, but {expected} are needed")]
    OutShape { what: &'static str, found: usize, unit: &'static str, expected: String },
    #[error("rows: there are {found} rows for {expected} events")]
    RowCount { found: usize, expected: usize },
    #[error("rows: event {event} goes to row {row}, but the output has {available} rows")]
    RowOutside { event: usize, row: i64, available: usize },
    #[error("rows: two events go to row {row}")]
    RowTwice { row: i64 },
    #[error("weights: there are {found} of them for {expected} events; each event needs one")]
    WeightCount { found: usize, expected: usize },
    #[error("weights: that of event {event} is {found:?}; it must be a finite number, below 1e60 in magnitude")]
    Weight { event: usize, found: f64 },
    #[error("{what} is {found}; it must be {expected}")]
    Argument { what: &'static str, found: String, expected: &'static str },
    #[error("the threads could not be started: {reason}")]
    Threads { reason: String },
    #[error("internal: a column arrived as {found} where its values had been converted to {expected}")]
    Conversion { found: DType, expected: DType },
}

/// What kind of mistake an error is; callers choose their exception by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Columns contradict themselves.
    Columns,
    /// A branch is missing or of the wrong kind.
    Branch,
    /// Specs or a plan are wrong.
    Specs,
    /// A formula is wrong, or does not fit its data.
    Expression,
    /// An argument is wrong.
    Argument,
    /// The machine refused something.
    System,
}

impl Error {
    /// A branch that the specs name is not among those that are `known` in the data.
    pub fn missing_branch<'a>(branch: &str, known: impl Iterator<Item = &'a str>) -> Error {
        Error::MissingBranch { branch: branch.to_owned(), hint: hint(branch, known) }
    }

    /// What kind of mistake this is.
    pub fn fault(&self) -> Fault {
        use Error::*;
        match self {
            NoColumns | DuplicateColumn { .. } | EventCount { .. } | OffsetsDecrease { .. } => Fault::Columns,
            OffsetsOutside { .. } | OffsetsNegative { .. } | NoOffsets { .. } | MaskLength { .. } => Fault::Columns,
            MixedKinds { .. } | Unequal { .. } | Pixels { .. } => Fault::Columns,
            MissingBranch { .. } | WrongKind { .. } | UnknownBranch { .. } | ColumnClash { .. } => Fault::Branch,
            NothingToMerge | MergeBranches { .. } | MergeKinds { .. } | Json { .. } | Field { .. } => Fault::Specs,
            MissingField { .. } | TwoPlaces { .. } | Version { .. } | RangeReversed { .. } => Fault::Specs,
            MergePreproc | MergeSentinels | MergeWeights => Fault::Specs,
            NotScanned { .. } | NoStatistics { .. } => Fault::Specs,
            Formula { .. } | Overflow { .. } | TooLarge { .. } | Lengths { .. } => Fault::Expression,
            Normalize { .. } | WidthOfFlat { .. } | TooWide { .. } | OutShape { .. } | Argument { .. } => {
                Fault::Argument
            }
            NoMean { .. } | FlatKey { .. } | TwoTensors { .. } => Fault::Argument,
            RowCount { .. } | RowOutside { .. } | RowTwice { .. } => Fault::Argument,
            WeightCount { .. } | Weight { .. } => Fault::Argument,
            Threads { .. } | Conversion { .. } => Fault::System,
        }
    }
}

/// `" (did you mean 'x'?)"` for the known name nearest to `name`, or nothing.
pub(crate) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let folded = name.to_lowercase();
    let near = known.map(|candidate| (distance(&folded, &candidate.to_lowercase()), candidate)).min();
    match near {
        Some((steps, candidate)) if steps <= 1 + name.chars().count() / 3 => {
            format!(" (did you mean '{candidate}'?)")
        }
        _ => String::new(),
    }
}

/// Levenshtein's edit distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut last = i + 1;
        row[0] = last;
        for (cell, &b) in row[1..].iter_mut().zip(&right) {
            let best = (diagonal + usize::from(a != b)).min(*cell + 1).min(last + 1);
            diagonal = *cell;
            *cell = best;
            last = best;
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed_if_it_is_near() {
        let known = ["jetPt", "jetEta", "met"];
        assert_eq!(hint("jetpt", known.into_iter()), " (did you mean 'jetPt'?)");
        assert_eq!(hint("something", known.into_iter()), "");
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
