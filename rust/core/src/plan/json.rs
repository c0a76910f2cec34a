//! The canonical JSON form of a plan: keys in order, no white space, shortest floats.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::formula_json::{self, define_to_json, formula_to_json, select_to_json};
use super::reader::{Reader, object};
use super::{BranchPlan, Layout, Normalize, Slot, Source, Step, layout};
use crate::error::{Error, Result};
use crate::expr::{Defined, FormulaStep, Program, Select};
use crate::schema::{DType, Kind};
use crate::sentinel::Sentinels;

pub(super) const WHAT: &str = "plan";
const VERSION: u64 = 1;

pub(super) fn write(program: &Program, steps: &[Step], names: &[String], layout: &Layout, pad_value: f32) -> String {
    let steps: Vec<Value> = steps.iter().map(|step| step_to_json(program, step, layout, pad_value)).collect();
    let mut whole = json!({"version": VERSION, "columns": names, "pad_value": f64::from(pad_value), "steps": steps});
    if layout.name != layout::MATRIX {
        let tensors = layout.tensors.iter().map(|tensor| json!({"name": tensor.name, "shape": tensor.shape}));
        whole["layout"] = json!(layout.name);
        whole["tensors"] = tensors.collect();
    }
    if !program.steps().is_empty() {
        whole["formulas"] = json!(program.formulas);
    }
    whole.to_string()
}

pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn step_to_json(program: &Program, step: &Step, layout: &Layout, pad_value: f32) -> Value {
    match step {
        Step::Formula { out } => formula_to_json(program, *out),
        Step::Select { number } => select_to_json(&program.selects()[*number]),
        Step::Define { input, out, number } => define_to_json(program, *input, *out, *number),
        Step::Load { out, branch, kind, dtype } => {
            let mut step = load_to_json(&program.sentinels, branch, *kind, *dtype);
            step["out"] = (*out).into();
            step
        }
        Step::Scale { input, out, normalize, clip } => {
            let mut step = normalize_to_json(normalize);
            (step["op"], step["in"], step["out"]) = ("scale".into(), (*input).into(), (*out).into());
            if let Some((lower, upper)) = clip {
                step["clip"] = json!([f64::from(*lower), f64::from(*upper)]);
            }
            step
        }
        Step::Pad { input, out, width, padding } => {
            let value = f64::from(pad_value);
            let mut step = json!({"op": "pad", "in": input, "out": out, "width": width, "value": value});
            if padding.fill.to_bits() != pad_value.to_bits() {
                step["fill"] = f64::from(padding.fill).into();
            }
            if padding.wrap {
                step["padding"] = "wrap".into();
            }
            if let Some(branch) = &padding.largest {
                step["largest"] = branch.as_str().into();
            }
            step
        }
        Step::Store { input, tensor, column } => {
            let mut step = json!({"op": "store", "in": input, "column": column});
            if let Some(tensor) = tensor.checked_sub(1).and_then(|number| layout.tensors.get(number)) {
                step["tensor"] = tensor.name.as_str().into();
            }
            step
        }
    }
}

fn normalize_to_json(normalize: &Normalize) -> Value {
    let affine = |name: &str, found: &Option<(f64, f64)>| {
        let (center, scale) = found.map_or((Value::Null, Value::Null), |(center, scale)| (center.into(), scale.into()));
        json!({"normalize": name, "center": center, "scale": scale})
    };
    match normalize {
        Normalize::None => json!({"normalize": "none"}),
        Normalize::MinMax(range) => {
            let (min, max) = range.map_or((Value::Null, Value::Null), |(min, max)| (min.to_json(), max.to_json()));
            json!({"normalize": "minmax", "min": min, "max": max})
        }
        Normalize::Standard(found) => affine("standard", found),
        Normalize::Robust(found) => affine("robust", found),
    }
}

/// A load step but for its place.
pub(super) fn load_to_json(sentinels: &Sentinels, branch: &str, kind: Kind, dtype: DType) -> Value {
    let mut step = json!({"op": "load", "branch": branch, "kind": kind.name(), "type": dtype.name()});
    let numbers = sentinels.of(branch);
    if !numbers.is_empty() {
        step["sentinels"] = numbers.iter().map(|number| number.to_json()).collect();
    }
    step
}

/// What stands in a plan's JSON.
pub(super) struct Read {
    pub(super) formulas: Vec<String>,
    pub(super) steps: Vec<ReadStep>,
    pub(super) names: Vec<String>,
    pub(super) layout: Layout,
    pub(super) pad_value: f32,
    pub(super) sentinels: Sentinels,
}

/// A step as it was read; see [`link`] for how they belong together.
pub(super) enum ReadStep {
    Formula { out: Slot, step: FormulaStep },
    Select(Select),
    Define { input: Slot, out: Slot, branch: String, kind: Kind, dtype: DType },
    Matrix(Step),
}

/// Columns that are not those which the steps make.
pub(super) fn wrong_names(found: &[String]) -> Error {
    Error::field(WHAT, "key 'columns'", &json!(found), "the names of the columns that the steps store")
}

/// Every step by itself.
pub(super) fn read(text: &str) -> Result<Read> {
    let value: Value = serde_json::from_str(text).map_err(|error| Error::from_serde(WHAT, &error))?;
    let whole = Reader { place: "the whole".to_owned(), map: object(&value, "the whole")? };
    let found = whole.count("version")? as u64;
    if found > VERSION {
        return Err(Error::Version { what: WHAT, found, known: VERSION });
    }
    let pad_value = whole.float("pad_value")?;
    let names = whole.texts("columns")?;
    let layout = whole.layout()?;
    let formulas = if whole.map.contains_key("formulas") { whole.texts("formulas")? } else { Vec::new() };
    let steps = whole.get("steps")?;
    let Some(list) = steps.as_array() else {
        return Err(Error::field(WHAT, "key 'steps'", steps, "a list of steps"));
    };
    let mut types = Vec::new();
    let mut read = Vec::with_capacity(list.len());
    let mut sentinels = BTreeMap::new();
    for (index, step) in list.iter().enumerate() {
        let place = format!("step {index}");
        let reader = Reader { map: object(step, &place)?, place };
        reader.sentinels(&mut sentinels)?;
        read.push(match formula_json::step(&reader, &mut types)? {
            Some(step) => step,
            None => ReadStep::Matrix(reader.step(&mut types, &layout, pad_value)?),
        });
    }
    Ok(Read { formulas, steps: read, names, layout, pad_value, sentinels: Sentinels::new(sentinels) })
}

/// A step that does not belong where it stands.
pub(super) fn broken(index: usize, expected: &str) -> Error {
    Error::Field {
        what: WHAT,
        place: format!("step {index}"),
        found: "out of place".to_owned(),
        expected: expected.to_owned(),
    }
}

/// The program and the branches that the steps make up; steps that do not belong together are an error.
pub(super) fn link(formulas: Vec<String>, steps: &[ReadStep]) -> Result<(Program, Vec<BranchPlan>)> {
    let in_formulas = |step: &ReadStep| matches!(step, ReadStep::Formula { .. } | ReadStep::Select(_));
    let begin = steps.iter().position(|step| !in_formulas(step)).unwrap_or(steps.len());
    let mut program = formula_json::link(formulas, &steps[..begin])?;
    let mut branches: Vec<BranchPlan> = Vec::new();
    for (number, group) in steps[begin..].chunks(4).enumerate() {
        let branch = link_branch(&mut program, &branches, begin + 4 * number, group)?;
        branches.push(branch);
    }
    // New branches are numbered in the order of their names.
    program.defined.sort_by(|left, right| left.name.cmp(&right.name));
    for branch in branches.iter_mut().filter(|branch| branch.source != Source::Data) {
        let number = program.defined.iter().position(|defined| defined.name == branch.name);
        branch.source = number.map_or(Source::Data, Source::Formula);
    }
    Ok((program, branches))
}

/// The branch that four steps make up, which begin with step `index`.
fn link_branch(program: &mut Program, known: &[BranchPlan], index: usize, group: &[ReadStep]) -> Result<BranchPlan> {
    let [first, ReadStep::Matrix(scale), ReadStep::Matrix(pad), ReadStep::Matrix(store)] = group else {
        return Err(broken(index, "the first of load (or define), scale, pad and store of one branch"));
    };
    let (out, name, kind, dtype, source) = match first {
        ReadStep::Matrix(Step::Load { out, branch, kind, dtype }) => (*out, branch, *kind, *dtype, Source::Data),
        ReadStep::Define { input, out, branch, kind, dtype } => {
            program.defined.push(Defined { name: branch.clone(), slot: *input });
            (*out, branch, *kind, *dtype, Source::Formula(program.defined.len() - 1))
        }
        _ => return Err(broken(index, "the first of load (or define), scale, pad and store of one branch")),
    };
    if let (Source::Formula(_), Some(defined)) = (source, program.defined.last())
        && (defined.slot >= program.steps().len() || program.branch_of(defined) != (kind, dtype))
    {
        return Err(broken(index, "a value of the formulas, of its kind and type"));
    }
    let Step::Scale { input: loaded, out: scaled, normalize, clip } = scale else {
        return Err(broken(index + 1, "scale, and then pad"));
    };
    let Step::Pad { input, out: padded, width, padding } = pad else {
        return Err(broken(index + 1, "scale, and then pad"));
    };
    let Step::Store { input: stored, tensor, column } = store else {
        return Err(broken(index + 3, "store"));
    };
    let linked = (*loaded, input, stored) == (out, scaled, padded);
    let flat_is_single = kind == Kind::Jagged || *width == 1;
    let flat_is_first = kind == Kind::Jagged || known.iter().all(|known| known.kind == Kind::Flat);
    let last = known.iter().rfind(|known| known.tensor == 0);
    let next = *tensor != 0 || *column == last.map_or(0, |last| last.column + last.width);
    let unknown = known.iter().all(|known| known.name != *name);
    if !(linked && flat_is_single && flat_is_first && next && unknown) {
        return Err(broken(
            index,
            "linked to its neighbours, of a new branch, in the next free column, flat before jagged",
        ));
    }
    let (name, padding) = (name.clone(), padding.clone());
    let (normalize, clip, width, tensor, column) = (*normalize, *clip, *width, *tensor, *column);
    Ok(BranchPlan { name, kind, dtype, source, normalize, clip, width, padding, tensor, column })
}
