//! Which events pass the cuts.

use super::blocks::{Limits, Piece, blocks};
use super::formula::{Events, Failure, Formulas, Machine, collected};
use crate::column::Table;
use crate::error::Result;
use crate::expr::{Program, Shape};
use crate::pool;

/// Formulas hold a block's values several times, as float64: fewer of them stay in the cache.
pub(super) const LIMITS: Limits = Limits { events: 1 << 12, values: 1 << 14 };

/// What cuts did to events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// For each event 1 if it passed every cut that was applied, else 0.
    pub mask: Vec<u8>,
    /// For each cut in order how many events passed it and all that were applied before it.
    pub flow: Vec<u64>,
}

impl Passed {
    /// How many events passed.
    pub fn count(&self) -> usize {
        self.mask.iter().map(|&passed| usize::from(passed)).sum()
    }
}

/// Find out which events of `table` pass the cuts of `program`, on up to `threads` threads. Cuts that are for training
/// only are applied in `training` only, and counted always.
pub fn select(program: &Program, table: &Table<'_>, training: bool, threads: Option<usize>) -> Result<Passed> {
    let mut passed = Passed { mask: vec![1; table.events()], flow: vec![0; program.selects().len()] };
    if program.selects().is_empty() {
        return Ok(passed);
    }
    let masks = program.sentinels.find(table);
    let table = &masks.hide(table);
    let formulas = Formulas::bind(program, program.for_cuts(), table)?;
    let segments = table.segments();
    let mut rest = passed.mask.as_mut_slice();
    let pieces = segments.iter().flat_map(|segment| blocks(&formulas.columns, segment, LIMITS)).map(|piece| {
        let (mask, behind) = std::mem::take(&mut rest).split_at_mut(piece.events);
        rest = behind;
        (piece, mask)
    });
    let fresh = || (Machine::default(), vec![0_u64; program.selects().len()], None::<Failure>);
    let many = table.events() > LIMITS.events;
    let done = pool::share(threads, many, pieces, fresh, |(machine, flow, failure), (piece, mask)| {
        if let Err(found) = of_block(&formulas, machine, &piece, training, mask, flow) {
            *failure = Some(found.first(failure.take()));
        }
    })?;
    for flow in collected(done.into_iter().map(|(_, flow, failure)| (flow, failure)))? {
        passed.flow.iter_mut().zip(flow).for_each(|(sum, part)| *sum += part);
    }
    Ok(passed)
}

fn of_block(
    formulas: &Formulas<'_>,
    machine: &mut Machine,
    piece: &Piece<'_>,
    training: bool,
    mask: &mut [u8],
    flow: &mut [u64],
) -> std::result::Result<(), Failure> {
    machine.run(formulas, &piece.arrays, Events::all(piece))?;
    for (select, flow) in formulas.program.selects().iter().zip(flow) {
        let truth = &machine.register(select.slot).bools;
        let constant = formulas.program.steps()[select.slot].shape == Shape::Constant;
        let of = |event: usize| truth[if constant { 0 } else { event }];
        let both = |(event, passed): (usize, &u8)| u64::from(passed & of(event));
        *flow += mask.iter().enumerate().map(both).sum::<u64>();
        if training || !select.training {
            mask.iter_mut().enumerate().for_each(|(event, passed)| *passed &= of(event));
        }
    }
    Ok(())
}
