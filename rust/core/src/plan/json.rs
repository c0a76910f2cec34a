//! The canonical JSON form of a plan: keys in order, no white space, shortest floats.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{BranchPlan, Normalize, Slot, Step};
use crate::error::{Error, Result};
use crate::schema::{DType, Kind};
use crate::specs::Number;

const WHAT: &str = "plan";
const VERSION: u64 = 1;

pub(super) fn write(steps: &[Step], names: &[String], pad_value: f32) -> String {
    let pad_value = f64::from(pad_value);
    let steps: Vec<Value> = steps.iter().map(|step| step_to_json(step, pad_value)).collect();
    json!({"version": VERSION, "columns": names, "pad_value": pad_value, "steps": steps}).to_string()
}

pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn step_to_json(step: &Step, pad_value: f64) -> Value {
    match step {
        Step::Load { out, branch, kind, dtype } => {
            json!({"op": "load", "out": out, "branch": branch, "kind": kind.name(), "type": dtype.name()})
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

/// What stands in a plan's JSON.
pub(super) struct Read {
    pub(super) steps: Vec<Step>,
    pub(super) names: Vec<String>,
    pub(super) pad_value: f32,
}

/// Columns that are not those which the steps make.
pub(super) fn wrong_names(found: &[String]) -> Error {
    Error::field(WHAT, "key 'columns'", &json!(found), "the names of the columns that the steps store")
}

/// Every step by itself; see [`link`] for how they belong together.
pub(super) fn read(text: &str) -> Result<Read> {
    let value: Value = serde_json::from_str(text).map_err(|error| Error::from_serde(WHAT, &error))?;
    let whole = Reader { place: "the whole".to_owned(), map: object(&value, "the whole")? };
    let found = whole.count("version")? as u64;
    if found > VERSION {
        return Err(Error::Version { what: WHAT, found, known: VERSION });
    }
    let pad_value = whole.float("pad_value")?;
    let names = whole.get("columns")?;
    let Some(names) =
        names.as_array().and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect())
    else {
        return Err(Error::field(WHAT, "key 'columns'", names, "a list of names"));
    };
    let steps = whole.get("steps")?;
    let Some(list) = steps.as_array() else {
        return Err(Error::field(WHAT, "key 'steps'", steps, "a list of steps"));
    };
    let mut types = Vec::new();
    let mut read = Vec::with_capacity(list.len());
    for (index, step) in list.iter().enumerate() {
        let place = format!("step {index}");
        let reader = Reader { map: object(step, &place)?, place };
        read.push(reader.step(&mut types, pad_value)?);
    }
    Ok(Read { steps: read, names, pad_value })
}

/// The branches that the steps make up; steps that do not belong together are an error.
pub(super) fn link(steps: &[Step]) -> Result<Vec<BranchPlan>> {
    let broken = |index: usize, expected: &str| Error::Field {
        what: WHAT,
        place: format!("step {index}"),
        found: "out of place".to_owned(),
        expected: expected.to_owned(),
    };
    let mut branches: Vec<BranchPlan> = Vec::new();
    let mut next = 0;
    for (index, group) in steps.chunks(4).enumerate() {
        let [Step::Load { out, branch, kind, dtype }, scale, pad, store] = group else {
            return Err(broken(4 * index, "the first of load, scale, pad and store of one branch"));
        };
        let (Step::Scale { input: loaded, out: scaled, normalize }, Step::Pad { input, out: padded, width }) =
            (scale, pad)
        else {
            return Err(broken(4 * index + 1, "scale, and then pad"));
        };
        let Step::Store { input: stored, column } = store else {
            return Err(broken(4 * index + 3, "store"));
        };
        let linked = (loaded, input, stored) == (out, scaled, padded);
        let flat_is_single = *kind == Kind::Jagged || *width == 1;
        let flat_is_first = *kind == Kind::Jagged || branches.iter().all(|known| known.kind == Kind::Flat);
        if !(linked
            && flat_is_single
            && flat_is_first
            && *column == next
            && branches.iter().all(|known| known.name != *branch))
        {
            return Err(broken(
                4 * index,
                "linked to its neighbours, of a new branch, in the next free column, flat before jagged",
            ));
        }
        next += width;
        let (name, normalize) = (branch.clone(), *normalize);
        branches.push(BranchPlan { name, kind: *kind, dtype: *dtype, normalize, width: *width, column: *column });
    }
    Ok(branches)
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::field(WHAT, place, value, "an object"))
}

/// One object of the plan and where it stands.
struct Reader<'a> {
    place: String,
    map: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    fn get(&self, key: &str) -> Result<&'a Value> {
        let missing = || Error::MissingField { what: WHAT, place: format!("key '{key}' of {}", self.place) };
        self.map.get(key).ok_or_else(missing)
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        let found = self.map.get(key).unwrap_or(&Value::Null);
        Error::field(WHAT, &format!("key '{key}' of {}", self.place), found, expected)
    }

    fn text(&self, key: &str) -> Result<&'a str> {
        self.get(key)?.as_str().ok_or_else(|| self.wrong(key, "a text"))
    }

    /// A width, column or number of a value; anything large is a mistake.
    fn count(&self, key: &str) -> Result<usize> {
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
                let kind = Kind::from_name(self.text("kind")?);
                let kind = kind.ok_or_else(|| self.wrong("kind", "\"flat\" or \"jagged\""))?;
                let dtype = DType::from_name(self.text("type")?);
                let dtype = dtype.ok_or_else(|| self.wrong("type", "the name of a type, such as \"float32\""))?;
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
            _ => Err(self.wrong("op", "\"load\", \"scale\", \"pad\" or \"store\"")),
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
