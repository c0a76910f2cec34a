//! The canonical JSON form of a plan: keys in order, no white space, shortest floats.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::formula_json::{self, define_to_json, formula_to_json, select_to_json};
use super::{BranchPlan, Normalize, Slot, Source, Step};
use crate::error::{Error, Result};
use crate::expr::{Defined, FormulaStep, Program, Select};
use crate::schema::{DType, Kind};
use crate::sentinel::Sentinels;
use crate::specs::{NUMBERS, Number, sentinels_from_json};

pub(super) const WHAT: &str = "plan";
const VERSION: u64 = 1;

pub(super) fn write(program: &Program, steps: &[Step], names: &[String], pad_value: f32) -> String {
    let pad_value = f64::from(pad_value);
    let steps: Vec<Value> = steps.iter().map(|step| step_to_json(program, step, pad_value)).collect();
    let mut whole = json!({"version": VERSION, "columns": names, "pad_value": pad_value, "steps": steps});
    if !program.steps().is_empty() {
        whole["formulas"] = json!(program.formulas);
    }
    whole.to_string()
}

pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn step_to_json(program: &Program, step: &Step, pad_value: f64) -> Value {
    match step {
        Step::Formula { out } => formula_to_json(program, *out),
        Step::Select { number } => select_to_json(&program.selects()[*number]),
        Step::Define { input, out, number } => define_to_json(program, *input, *out, *number),
        Step::Load { out, branch, kind, dtype } => {
            let mut step = load_to_json(&program.sentinels, branch, *kind, *dtype);
            step["out"] = (*out).into();
            step
        }
        Step::Scale { input, out, normalize: Normalize::None } => {
            json!({"op": "scale", "in": input, "out": out, "normalize": "none"})
        }
        Step::Scale { input, out, normalize: Normalize::MinMax(range) } => {
            let (min, max) = range.map_or((Value::Null, Value::Null), |(min, max)| (min.to_json(), max.to_json()));
            json!({"op": "scale", "in": input, "out": out, "normalize": "minmax", "min": min, "max": max})
        }
        Step::Pad { input, out, width } => {
            json!({"op": "pad", "in": input, "out": out, "width": width, "value": pad_value})
        }
        Step::Store { input, column } => json!({"op": "store", "in": input, "column": column}),
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
            None => ReadStep::Matrix(reader.step(&mut types, pad_value)?),
        });
    }
    Ok(Read { formulas, steps: read, names, pad_value, sentinels: Sentinels::new(sentinels) })
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
    let (Step::Scale { input: loaded, out: scaled, normalize }, Step::Pad { input, out: padded, width }) = (scale, pad)
    else {
        return Err(broken(index + 1, "scale, and then pad"));
    };
    let Step::Store { input: stored, column } = store else {
        return Err(broken(index + 3, "store"));
    };
    let linked = (*loaded, input, stored) == (out, scaled, padded);
    let flat_is_single = kind == Kind::Jagged || *width == 1;
    let flat_is_first = kind == Kind::Jagged || known.iter().all(|known| known.kind == Kind::Flat);
    let next = known.last().map_or(0, |last| last.column + last.width);
    let unknown = known.iter().all(|known| known.name != *name);
    if !(linked && flat_is_single && flat_is_first && *column == next && unknown) {
        return Err(broken(
            index,
            "linked to its neighbours, of a new branch, in the next free column, flat before jagged",
        ));
    }
    let (name, normalize, width) = (name.clone(), *normalize, *width);
    Ok(BranchPlan { name, kind, dtype, source, normalize, width, column: *column })
}

pub(super) fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::field(WHAT, place, value, "an object"))
}

/// One object of the plan and where it stands.
pub(super) struct Reader<'a> {
    pub(super) place: String,
    pub(super) map: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    pub(super) fn get(&self, key: &str) -> Result<&'a Value> {
        let missing = || Error::MissingField { what: WHAT, place: format!("key '{key}' of {}", self.place) };
        self.map.get(key).ok_or_else(missing)
    }

    pub(super) fn wrong(&self, key: &str, expected: &str) -> Error {
        let found = self.map.get(key).unwrap_or(&Value::Null);
        Error::field(WHAT, &format!("key '{key}' of {}", self.place), found, expected)
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str> {
        self.get(key)?.as_str().ok_or_else(|| self.wrong(key, "a text"))
    }

    fn texts(&self, key: &str) -> Result<Vec<String>> {
        let value = self.get(key)?;
        let texts =
            value.as_array().and_then(|list| list.iter().map(|text| text.as_str().map(str::to_owned)).collect());
        texts.ok_or_else(|| Error::field(WHAT, &format!("key '{key}'"), value, "a list of texts"))
    }

    /// Kind and type of a branch.
    pub(super) fn kind_and_type(&self) -> Result<(Kind, DType)> {
        let kind = Kind::from_name(self.text("kind")?);
        let kind = kind.ok_or_else(|| self.wrong("kind", "\"flat\" or \"jagged\""))?;
        let dtype = DType::from_name(self.text("type")?);
        let dtype = dtype.ok_or_else(|| self.wrong("type", "the name of a type, such as \"float32\""))?;
        Ok((kind, dtype))
    }

    /// The numbers that a load step takes for missing values, under the name of its branch; they are the same in all
    /// its steps.
    fn sentinels(&self, known: &mut BTreeMap<String, Vec<Number>>) -> Result<()> {
        if self.text("op")? != "load" {
            return Ok(());
        }
        let found = match self.map.get("sentinels") {
            None => Vec::new(),
            Some(list) => sentinels_from_json(list).ok_or_else(|| self.wrong("sentinels", NUMBERS))?,
        };
        let branch = self.text("branch")?;
        if known.get(branch).is_some_and(|known| *known != found) {
            return Err(self.wrong("sentinels", "those of the other step that loads the branch"));
        }
        known.insert(branch.to_owned(), found);
        Ok(())
    }

    /// A width, column or number of a value; anything large is a mistake.
    pub(super) fn count(&self, key: &str) -> Result<usize> {
        let count = self.get(key)?.as_u64().filter(|&count| count <= u64::from(u32::MAX));
        count.map(|count| count as usize).ok_or_else(|| self.wrong(key, "a whole number below 2^32"))
    }

    fn float(&self, key: &str) -> Result<f32> {
        let value = self.get(key)?.as_f64().map(|value| value as f32).filter(|value| value.is_finite());
        value.ok_or_else(|| self.wrong(key, "a finite float32 number"))
    }

    /// The step; `types` collects the type of every loaded value.
    fn step(&self, types: &mut Vec<(Slot, DType)>, pad_value: f32) -> Result<Step> {
        let input = || self.count("in");
        match self.text("op")? {
            "load" => {
                let (kind, dtype) = self.kind_and_type()?;
                let out = self.count("out")?;
                types.push((out, dtype));
                Ok(Step::Load { out, branch: self.text("branch")?.to_owned(), kind, dtype })
            }
            "scale" => {
                let input = input()?;
                let loaded = types.iter().find(|(slot, _)| *slot == input);
                let dtype = loaded.map(|&(_, dtype)| dtype).ok_or_else(|| self.wrong("in", "a loaded value"))?;
                Ok(Step::Scale { input, out: self.count("out")?, normalize: self.normalize(dtype)? })
            }
            "pad" if self.float("value")?.to_bits() != pad_value.to_bits() => {
                Err(self.wrong("value", &format!("{pad_value}, the plan's pad value")))
            }
            "pad" => Ok(Step::Pad { input: input()?, out: self.count("out")?, width: self.count("width")? }),
            "store" => Ok(Step::Store { input: input()?, column: self.count("column")? }),
            _ => Err(self.wrong("op", "the name of a step, as \"load\"")),
        }
    }

    fn normalize(&self, dtype: DType) -> Result<Normalize> {
        match self.text("normalize")? {
            "none" => Ok(Normalize::None),
            "minmax" => {
                let (min, max) = (self.bound("min", dtype)?, self.bound("max", dtype)?);
                match min.zip(max) {
                    None if min.is_some() || max.is_some() => Err(self.wrong("min", "null together with max")),
                    Some((min, max)) if min.order(max).is_gt() => Err(self.wrong("min", "at most max")),
                    range => Ok(Normalize::MinMax(range)),
                }
            }
            _ => Err(self.wrong("normalize", "\"minmax\" or \"none\"")),
        }
    }

    fn bound(&self, key: &str, dtype: DType) -> Result<Option<Number>> {
        let value = self.get(key)?;
        if value.is_null() {
            return Ok(None);
        }
        let number = Number::from_json(value, dtype).map(|number| number.promoted(dtype));
        number.map(Some).ok_or_else(|| self.wrong(key, &format!("a finite {dtype} number, or null")))
    }
}
