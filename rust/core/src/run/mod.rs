//! The second pass: a plan over columns, straight into the matrix and its mask.
//!
//! Events are taken in blocks of some hundred; see `block.rs` for what happens to one. Blocks are independent, so
//! that threads change nothing but the time.

mod block;
mod blocks;
mod convert;
mod evaluate;
pub(crate) mod formula;
mod keep;
mod lanes;
mod lengths;
mod masks;
mod normalize;
mod output;
mod row;
mod scale;
mod select;
mod stage;
mod wrap;

pub(crate) use evaluate::each_new;
pub use evaluate::{Evaluation, Out};
pub use output::{Output, Placement};
pub use select::{Passed, select};

use crate::column::Table;
use crate::error::{Error, Result};
use crate::plan::{BranchPlan, Plan, Source};
use crate::pool;
use crate::simd::{Work, fastest};
use block::{Block, Scratch};
use blocks::{Limits, blocks};
use formula::{Failure, Formulas, collected};
use keep::Keep;
use lengths::Rule;
use scale::Scale;
use wrap::Wrapped;

/// A block's scratch stays in the cache.
const LIMITS: Limits = Limits { events: 512, values: 1 << 18 };

/// What a run counted for one branch, over the events that it wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BranchCounts {
    /// Values that are null, NaN or infinite, and null lists.
    pub missing: u64,
    /// Values cut off because their list is longer than the width.
    pub truncated: u64,
}

/// What every block of a run needs to know.
struct Job<'p> {
    plan: &'p Plan,
    /// The columns of the table that the matrix takes, in the plan's order, and behind them those of formulas.
    columns: Vec<usize>,
    formulas: Option<Formulas<'p>>,
    scales: Vec<Scale>,
    /// Which branches of each tensor repeat lists.
    wrapped: Vec<Vec<Wrapped>>,
    rules: Vec<Rule>,
    keeps: Vec<Keep>,
    /// The numbers of the table's events, by which errors name them.
    numbers: Option<&'p [i64]>,
}

impl<'p> Job<'p> {
    fn new(plan: &'p Plan, table: &Table<'p>) -> Result<Job<'p>> {
        let mut columns = bind(plan, table)?;
        let program = plan.program();
        let formulas = match program.defined() {
            [] => None,
            _ => Some(Formulas::bind(program, program.for_defined(), table)?),
        };
        columns.extend(formulas.iter().flat_map(|formulas| &formulas.columns));
        let scales = plan.branches().iter().map(|branch| Scale::new(branch.normalize, branch.dtype)).collect();
        let members = plan.positions_of_members().iter();
        let wrapped = members.map(|members| wrap::wrapped(plan.branches(), members)).collect();
        let (rules, keeps) = (lengths::rules(plan), keep::keeps(plan.branches()));
        Ok(Job { plan, columns, formulas, scales, wrapped, rules, keeps, numbers: table.numbers() })
    }

    /// An event of the table that does not fit one of the rules, under its own number.
    fn failure(&self, rule: usize, event: usize, mut error: Error) -> Failure {
        let number = self.numbers.and_then(|numbers| numbers.get(event)).map_or(event, |&number| number as usize);
        if let Error::Unequal { event, .. } | Error::Pixels { event, .. } = &mut error {
            *event = number;
        }
        Failure::behind_formulas(self.plan.program(), rule, event, error)
    }
}

/// Run `plan` over the events of `table`, on up to `threads` threads (no number: as many as there are CPUs for): event
/// i goes to row i of `output`, or to `rows[i]`, or nowhere if that is -1. Rows are filled whole, the others stay as
/// they are. Cuts are not applied: see [`select()`]. Returns the counts of each branch of the plan. The result does not
/// depend on `threads`.
pub fn run(
    plan: &Plan,
    table: &Table<'_>,
    output: &mut Output<'_>,
    rows: Option<&[i64]>,
    threads: Option<usize>,
) -> Result<Vec<BranchCounts>> {
    let masks = plan.program().sentinels.find(table);
    let table = &masks.hide(table);
    let job = Job::new(plan, table)?;
    let placement = match rows {
        None => Placement::in_order(table.events(), output.rows())?,
        Some(rows) => Placement::mapped(rows, table.events(), output.rows())?,
    };
    check_widths(plan, output)?;
    let segments = table.segments();
    let mut deal = output.deal(placement);
    let blocks = segments.iter().flat_map(|segment| blocks(&job.columns, segment, LIMITS)).map(|piece| {
        let rows = deal.next(piece.events);
        Block { first: piece.first, arrays: piece.arrays, rows }
    });
    let none = || vec![BranchCounts::default(); plan.branches().len()];
    let fresh = || (Scratch::take(), none(), None::<Failure>);
    let many = table.events() > LIMITS.events;
    let done = pool::share(threads, many, blocks, fresh, |(scratch, counts, failure), mut block| {
        let done = match block.compute(&job, scratch) {
            Ok(()) => fastest(BlockRun { block: &mut block, job: &job, scratch, counts }),
            failed => failed,
        };
        *failure = done.err().map(|found| found.first(failure.take())).or(failure.take());
    })?;
    let parts = collected(done.into_iter().map(|(scratch, counts, failure)| ((scratch, counts), failure)))?;
    Ok(parts.into_iter().fold(none(), |sum, (scratch, counts)| {
        scratch.keep();
        add(sum, counts)
    }))
}

/// A block's run, to be compiled for several kinds of CPU.
struct BlockRun<'r, 'o, 'a> {
    block: &'r mut Block<'o, 'a>,
    job: &'r Job<'r>,
    scratch: &'r mut Scratch,
    counts: &'r mut [BranchCounts],
}

impl Work for BlockRun<'_, '_, '_> {
    type Output = std::result::Result<(), Failure>;

    #[inline(always)]
    fn work(self) -> Self::Output {
        self.block.run(self.job, self.scratch, self.counts)
    }
}

/// Refuse an output that has not the rows of the matrix, and of the other tensors.
fn check_widths(plan: &Plan, output: &Output<'_>) -> Result<()> {
    let tensors = plan.layout().tensors.iter().map(|tensor| (tensor.size(), tensor.mask_size()));
    let expected: Vec<_> = std::iter::once((plan.width(), plan.width())).chain(tensors).collect();
    let found: Vec<_> = output.widths().collect();
    let differs = |at: &usize| found.get(*at) != expected.get(*at);
    let Some(at) = (0..found.len().max(expected.len())).find(differs) else { return Ok(()) };
    let what = if at == 0 { "the matrix" } else { "a tensor" };
    let expected = expected.get(at).map_or(0, |widths| widths.0).to_string();
    Err(Error::OutShape { what, found: found.get(at).map_or(0, |widths| widths.0), unit: "columns", expected })
}

fn add(mut sum: Vec<BranchCounts>, part: Vec<BranchCounts>) -> Vec<BranchCounts> {
    for (sum, part) in sum.iter_mut().zip(part) {
        sum.missing += part.missing;
        sum.truncated += part.truncated;
    }
    sum
}

/// For each branch that the plan takes from the data its column in the table; a table in the plan's order needs no search.
fn bind(plan: &Plan, table: &Table<'_>) -> Result<Vec<usize>> {
    let from_data = plan.branches().iter().filter(|branch| branch.source == Source::Data);
    let find = |(position, branch): (usize, &BranchPlan)| {
        let columns = table.columns();
        let named = |index: &usize| columns.get(*index).is_some_and(|column| column.name() == branch.name);
        let Some(index) = Some(position).filter(named).or_else(|| (0..columns.len()).find(named)) else {
            return Err(Error::missing_branch(&branch.name, columns.iter().map(|column| column.name())));
        };
        let found = columns[index].kind();
        if found != branch.kind {
            return Err(Error::WrongKind { branch: branch.name.clone(), found, expected: branch.kind });
        }
        Ok(index)
    };
    from_data.enumerate().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Array, Column, Data, Lists, Offsets, Validity, Values};
    use crate::expr::Program;
    use crate::plan::{BranchOptions, Options};
    use crate::scan::scan;
    use crate::schema::Kind;
    use crate::sentinel::Sentinels;
    use crate::simd::ONLY_BASE;
    use proptest::prelude::*;

    const OFFSETS: [i64; 5] = [1, 3, 3, 4, 7];
    const PT: [f32; 7] = [-1.0, 10.0, 20.0, f32::NAN, 30.0, 40.0, 50.0];
    const MET: [i32; 4] = [1, 2, 3, 5];

    fn values(data: Data<'_>) -> Values<'_> {
        Values::new("x", data, Validity::AllValid).unwrap()
    }

    /// `met` in one piece and `pt` in two, of four events.
    fn table() -> Table<'static> {
        let lists = |offsets: &'static [i64]| {
            Array::Jagged(
                Lists::new("pt", Offsets::Int64(offsets), Validity::AllValid, values(Data::Float32(&PT))).unwrap(),
            )
        };
        let pieces = vec![lists(&OFFSETS[..3]), lists(&OFFSETS[2..])];
        let met = Column::new("met", Kind::Flat, vec![Array::Flat(values(Data::Int32(&MET)))]).unwrap();
        Table::new(vec![Column::new("pt", Kind::Jagged, pieces).unwrap(), met]).unwrap()
    }

    fn of_width(width: u64) -> Options {
        let pt = BranchOptions { width: Some(width), ..BranchOptions::default() };
        Options { branches: [("pt".to_owned(), pt)].into(), ..Options::default() }
    }

    fn plan(width: u64) -> Plan {
        let options = Options { pad_value: -9.0, ..of_width(width) };
        Plan::new(&scan(&table(), &Sentinels::default(), None, Some(1)).unwrap(), Program::default(), &options).unwrap()
    }

    /// Matrix and mask of four rows, which hold 7 where nothing was written, and the counts of met and pt.
    fn filled(plan: &Plan, rows: Option<&[i64]>, threads: usize) -> (Vec<f32>, Vec<u8>, Vec<BranchCounts>) {
        let (mut data, mut mask) = (vec![7.0; 4 * plan.width()], vec![7; 4 * plan.width()]);
        let mut output = Output::new(&mut data, &mut mask, 4, plan.width()).unwrap();
        let counts = run(plan, &table(), &mut output, rows, Some(threads)).unwrap();
        (data, mask, counts)
    }

    #[test]
    fn rows_are_padded_masked_and_normalised() {
        let (data, mask, counts) = filled(&plan(2), None, 1);
        assert_eq!(data, [0.0, 0.0, 0.25, 0.25, -9.0, -9.0, 0.5, -9.0, -9.0, 1.0, 0.5, 0.75]);
        assert_eq!(mask, [0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0]);
        assert_eq!(counts[1], BranchCounts { missing: 1, truncated: 1 });
    }

    #[test]
    fn rows_go_where_they_are_sent_and_others_stay() {
        let (data, mask, counts) = filled(&plan(1), Some(&[3, -1, -1, 0]), 1);
        assert_eq!(data, [1.0, 0.5, 7.0, 7.0, 7.0, 7.0, 0.0, 0.0]);
        assert_eq!(mask, [0, 0, 7, 7, 7, 7, 0, 0]);
        assert_eq!(counts[1], BranchCounts { missing: 0, truncated: 3 });
    }

    #[test]
    fn threads_change_nothing() {
        for width in [0, 1, 3, 5] {
            assert_eq!(filled(&plan(width), None, 1), filled(&plan(width), None, 4), "width {width}");
        }
    }

    #[test]
    fn calls_before_change_nothing() {
        let fresh = |width| std::thread::spawn(move || filled(&plan(width), None, 1)).join().unwrap();
        let wanted = [0, 5, 1, 3].map(|width| (width, fresh(width)));
        for (width, wanted) in wanted.iter().chain(wanted.iter().rev()) {
            assert_eq!(filled(&plan(*width), None, 1), *wanted, "width {width}");
        }
    }

    proptest! {
        #[test]
        fn every_cpu_gives_the_same_bits(
            events in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u32>(), 0..12)), 1..700),
            width in 0_u64..14,
            wide in any::<bool>(),
        ) {
            let met: Vec<f32> = events.iter().map(|(bits, _)| f32::from_bits(*bits)).collect();
            let pt: Vec<f32> = events.iter().flat_map(|(_, list)| list).map(|bits| f32::from_bits(*bits)).collect();
            let wider: Vec<f64> = pt.iter().map(|&value| value.into()).collect();
            let offsets: Vec<i32> = std::iter::once(0).chain(events.iter().scan(0, |stop, (_, list)| {
                *stop += list.len() as i32;
                Some(*stop)
            })).collect();
            let content = values(if wide { Data::Float64(&wider) } else { Data::Float32(&pt) });
            let lists = Lists::new("pt", Offsets::Int32(&offsets), Validity::AllValid, content).unwrap();
            let columns = vec![
                Column::new("met", Kind::Flat, vec![Array::Flat(values(Data::Float32(&met)))]).unwrap(),
                Column::new("pt", Kind::Jagged, vec![Array::Jagged(lists)]).unwrap(),
            ];
            let table = Table::new(columns).unwrap();
            let both = [false, true].map(|base| {
                ONLY_BASE.set(base);
                let specs = scan(&table, &Sentinels::default(), None, Some(1)).unwrap();
                let plan = Plan::new(&specs, Program::default(), &of_width(width)).unwrap();
                let (mut data, mut mask) = (vec![7.0; events.len() * plan.width()], vec![7; events.len() * plan.width()]);
                let mut output = Output::new(&mut data, &mut mask, events.len(), plan.width()).unwrap();
                let counts = run(&plan, &table, &mut output, None, Some(1)).unwrap();
                ONLY_BASE.set(false);
                (specs.to_json(), data.into_iter().map(f32::to_bits).collect::<Vec<_>>(), mask, counts)
            });
            prop_assert_eq!(&both[0], &both[1]);
        }
    }

    proptest! {
        #[test]
        fn masks_of_runs_are_those_of_values(
            lengths in prop::collection::vec(0_i64..20, 64..200),
            widths in prop::collection::vec((0_u64..40, 1_usize..6), 1..4),
        ) {
            let offsets: Vec<i64> = std::iter::once(0).chain(lengths.iter().scan(0, |stop, length| {
                *stop += length;
                Some(*stop)
            })).collect();
            let content: Vec<f32> = (0..offsets[lengths.len()]).map(|value| value as f32).collect();
            let runs = widths.iter().enumerate();
            let named = |(run, &(width, branches)): (usize, &(u64, usize))| {
                (0..branches).map(move |branch| (format!("{run}.{branch}"), width)).collect::<Vec<_>>()
            };
            let named: Vec<(String, u64)> = runs.flat_map(named).collect();
            let lists = Lists::new("", Offsets::Int64(&offsets), Validity::AllValid, values(Data::Float32(&content)));
            let array = Array::Jagged(lists.unwrap());
            let columns = named.iter().map(|(name, _)| Column::new(name, Kind::Jagged, vec![array]).unwrap());
            let table = Table::new(columns.collect()).unwrap();
            let specs = scan(&table, &Sentinels::default(), None, Some(1)).unwrap();
            let of = |(name, width): &(String, u64)| {
                (name.clone(), BranchOptions { width: Some(*width), ..BranchOptions::default() })
            };
            let options = Options { branches: named.iter().map(of).collect(), ..Options::default() };
            let plan = Plan::new(&specs, Program::default(), &options).unwrap();
            let filled = |table: &Table<'_>| {
                let (events, width) = (table.events(), plan.width());
                let (mut data, mut mask) = (vec![7.0; events * width], vec![7; events * width]);
                let mut output = Output::new(&mut data, &mut mask, events, width).unwrap();
                run(&plan, table, &mut output, None, Some(1)).unwrap();
                (data, mask)
            };
            // Blocks of few events make no masks of runs.
            let parts = (0..lengths.len()).step_by(50).map(|start| {
                filled(&table.slice(start, 50.min(lengths.len() - start)).unwrap())
            });
            let (data, mask): (Vec<_>, Vec<_>) = parts.unzip();
            prop_assert_eq!(filled(&table), (data.concat(), mask.concat()));
        }
    }

    #[test]
    fn a_plan_reads_back_and_refuses_what_does_not_fit() {
        let plan = plan(2);
        assert_eq!(Plan::from_json(plan.to_json()).unwrap(), plan);
        let message = |text: &str| Plan::from_json(text).unwrap_err().to_string();
        assert_eq!(
            message(&plan.to_json().replace("\"column\":1", "\"column\":2")),
            "plan: step 4 is out of place; it must be linked to its neighbours, of a new branch, in the next free column, flat before jagged"
        );
        assert_eq!(message("{\"version\":2}"), "plan: version 2 is newer than this program, which knows version 1");
        let flat = Column::new("pt", Kind::Flat, vec![Array::Flat(values(Data::Int32(&MET)))]).unwrap();
        let (mut data, mut mask) = ([0.0; 12], [0; 12]);
        let mut output = Output::new(&mut data, &mut mask, 4, 3).unwrap();
        let wrong = run(&plan, &Table::new(vec![flat]).unwrap(), &mut output, None, Some(1));
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "branch 'met' is not in the data, but the specs name it (did you mean 'pt'?)"
        );
    }
}
