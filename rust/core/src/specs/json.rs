//! The form of `specs.json`: read and written.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::parts_json::{parts_from_json, parts_to_json};
use super::statistics_json::{statistics_of, statistics_to_json};
use super::{BranchSpecs, Counts, Number, Parts, Specs};
use crate::error::{Error, Result};
use crate::schema::{DType, Kind, Schema, TypeSet};
use crate::sentinel::Sentinels;

pub(super) const WHAT: &str = "specs";
const VERSION: u64 = 1;

impl Specs {
    /// As JSON text, indented, keys in order, integers exact, floats in the shortest form that reads back equal.
    pub fn to_json(&self) -> String {
        let by_name = |value: &dyn Fn(&BranchSpecs) -> Value| -> Map<String, Value> {
            self.branches().map(|(name, branch)| (name.to_owned(), value(branch))).collect()
        };
        let names = |kind| -> Vec<&str> { self.of_kind(kind).map(|(name, _)| name).collect() };
        let bound = |branch: &BranchSpecs, upper: bool| {
            let pick = |(min, max): (Number, Number)| if upper { max } else { min };
            branch.range.map_or(Value::Null, |range| pick(range).promoted(branch.dtype()).to_json())
        };
        let jdim: Map<_, _> =
            self.of_kind(Kind::Jagged).map(|(name, branch)| (name.to_owned(), branch.width.into())).collect();
        let mut events: Map<_, _> = self.files.iter().map(|(file, &events)| (file.clone(), events.into())).collect();
        events.insert("total".to_owned(), self.total.into());
        let mut object = json!({
            "version": VERSION,
            "fkeys": names(Kind::Flat),
            "jkeys": names(Kind::Jagged),
            "jdim": jdim,
            "minv": by_name(&|branch| bound(branch, false)),
            "maxv": by_name(&|branch| bound(branch, true)),
            "events": events,
        });
        let types = if self.typed() { by_name(&|branch| branch.dtype().name().into()) } else { Map::new() };
        let mixed: Map<_, _> = self.branches().filter_map(mixed_types).collect();
        let counts: Map<_, _> = self.branches().filter_map(counts_to_json).collect();
        let selected = selected_to_json(&self.selected);
        let reads = self.reads.iter().map(|(name, (kind, dtype))| (name.clone(), json!([kind.name(), dtype.name()])));
        let reads: Map<_, _> = reads.collect();
        if !self.bad_files.is_empty() {
            let bad = self.bad_files.iter();
            let bad = bad.map(|(file, (reason, lost))| json!({"file": file, "reason": reason, "lost": lost}));
            object["bad_files"] = bad.collect();
        }
        if let Some(hash) = &self.preproc {
            object["preproc"] = hash.as_str().into();
        }
        let sentinels = sentinels_to_json(&self.sentinels);
        let maps = [
            ("types", types),
            ("mixed", mixed),
            ("counts", counts),
            ("selected", selected),
            ("reads", reads),
            ("sentinels", sentinels),
            ("parts", parts_to_json(&self.parts)),
        ];
        if self.weighted {
            object["weighted"] = true.into();
        }
        for (key, map) in maps.into_iter().chain(statistics_to_json(self)) {
            if !map.is_empty() {
                object[key] = map.into();
            }
        }
        // A map of strings and finite numbers always has a JSON form.
        serde_json::to_string_pretty(&object).unwrap_or_default()
    }

    /// From JSON text: ours, or the original's, which has the first five keys only.
    pub fn from_json(text: &str) -> Result<Specs> {
        let value: Value = serde_json::from_str(text).map_err(|error| Error::from_serde(WHAT, &error))?;
        let fields = Fields { map: as_map(&value, "the whole")? };
        if let Some(found) = fields.map.get("version").and_then(Value::as_u64).filter(|&found| found > VERSION) {
            return Err(Error::Version { what: WHAT, found, known: VERSION });
        }
        let mut branches = BTreeMap::new();
        for (key, kind) in [("fkeys", Kind::Flat), ("jkeys", Kind::Jagged)] {
            for name in fields.names(key)? {
                if branches.insert(name.to_owned(), fields.branch(name, kind)?).is_some() {
                    let branch = name.to_owned();
                    return Err(Error::TwoPlaces { what: WHAT, branch, first: "fkeys", second: key });
                }
            }
        }
        let (files, total) = fields.events()?;
        let untyped = !fields.map.contains_key("types");
        let (preproc, reads, sentinels) = (fields.preproc()?, fields.reads()?, fields.sentinels()?);
        let (selected, bad_files) = (fields.selected()?, fields.bad_files()?);
        let (weighted, parts) = (fields.weighted()?, parts_from_json(fields.map)?);
        Ok(Specs { untyped, branches, files, total, selected, preproc, reads, sentinels, weighted, bad_files, parts })
    }
}

fn mixed_types((name, branch): (&str, &BranchSpecs)) -> Option<(String, Value)> {
    let types: Vec<&str> = branch.types.members().map(DType::name).collect();
    (types.len() > 1).then(|| (name.to_owned(), types.into()))
}

fn counts_to_json((name, branch): (&str, &BranchSpecs)) -> Option<(String, Value)> {
    let counts = branch.counts?;
    let counts = json!({"values": counts.values, "nulls": counts.nulls, "nan": counts.nan, "inf": counts.infinite});
    Some((name.to_owned(), counts))
}

fn selected_to_json(selected: &BTreeMap<String, Parts>) -> Map<String, Value> {
    let object = |parts: &Parts| json!({"train": parts[0], "validation": parts[1], "test": parts[2]});
    selected.iter().map(|(file, parts)| (file.clone(), object(parts))).collect()
}

fn sentinels_to_json(sentinels: &Sentinels) -> Map<String, Value> {
    let list = |numbers: &Vec<Number>| Value::from(numbers.iter().map(|number| number.to_json()).collect::<Vec<_>>());
    sentinels.branches().iter().map(|(name, numbers)| (name.clone(), list(numbers))).collect()
}

/// What sentinels must be.
pub(crate) const NUMBERS: &str = "a list of finite numbers";

/// A list of finite numbers, integers among them exact; nothing if it is none.
pub(crate) fn sentinels_from_json(list: &Value) -> Option<Vec<Number>> {
    let whole = |value: &Value| value.is_i64() || value.is_u64();
    let number = |value| Number::from_json(value, if whole(value) { DType::UInt64 } else { DType::Float64 });
    let signed = |value: &Value| value.as_i64().map(|value| Number::Integer(value.into()));
    list.as_array()?.iter().map(|value| signed(value).or_else(|| number(value))).collect()
}

impl Error {
    /// What serde_json says, with its line and column.
    pub(crate) fn from_serde(what: &'static str, error: &serde_json::Error) -> Error {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Error::Json { what, line: error.line(), column: error.column(), reason }
    }

    /// A field that is not what it must be.
    pub(crate) fn field(what: &'static str, place: &str, found: &Value, expected: &str) -> Error {
        let mut found = found.to_string();
        if found.chars().count() > 60 {
            found = found.chars().take(57).chain("...".chars()).collect();
        }
        Error::Field { what, place: place.to_owned(), found, expected: expected.to_owned() }
    }
}

pub(super) fn as_map<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::field(WHAT, place, value, "an object"))
}

pub(super) fn whole(value: &Value, place: impl Fn() -> String) -> Result<u64> {
    let whole = value.as_u64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0 && *v >= 0.0).map(|v| v as u64));
    whole.ok_or_else(|| Error::field(WHAT, &place(), value, "a whole number, not negative"))
}

/// The object being read.
struct Fields<'a> {
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn required(&self, key: &str) -> Result<&'a Value> {
        self.map.get(key).ok_or_else(|| Error::MissingField { what: WHAT, place: format!("key '{key}'") })
    }

    fn names(&self, key: &str) -> Result<Vec<&'a str>> {
        let value = self.required(key)?;
        let names = value.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
        names.ok_or_else(|| Error::field(WHAT, &format!("key '{key}'"), value, "a list of branch names"))
    }

    /// Entry `name` of the object under `key`.
    fn of_branch(&self, key: &str, name: &str) -> Result<&'a Value> {
        let map = as_map(self.required(key)?, &format!("key '{key}'"))?;
        map.get(name).ok_or_else(|| Error::MissingField { what: WHAT, place: format!("'{name}' in '{key}'") })
    }

    fn preproc(&self) -> Result<Option<String>> {
        let Some(value) = self.map.get("preproc").filter(|value| !value.is_null()) else { return Ok(None) };
        let hash = value.as_str().ok_or_else(|| Error::field(WHAT, "key 'preproc'", value, "a text"))?;
        Ok(Some(hash.to_owned()))
    }

    fn weighted(&self) -> Result<bool> {
        let Some(value) = self.map.get("weighted") else { return Ok(false) };
        value.as_bool().ok_or_else(|| Error::field(WHAT, "key 'weighted'", value, "true or false"))
    }

    fn bad_files(&self) -> Result<BTreeMap<String, (String, Option<u64>)>> {
        let Some(value) = self.map.get("bad_files") else { return Ok(BTreeMap::new()) };
        let one = |bad: &Value| {
            let lost = bad.get("lost").and_then(Value::as_u64);
            Some((bad.get("file")?.as_str()?.to_owned(), (bad.get("reason")?.as_str()?.to_owned(), lost)))
        };
        let all = value.as_array().and_then(|all| all.iter().map(one).collect());
        all.ok_or_else(|| Error::field(WHAT, "key 'bad_files'", value, "a list of file, reason and lost"))
    }

    fn sentinels(&self) -> Result<Sentinels> {
        let Some(value) = self.map.get("sentinels") else { return Ok(Sentinels::default()) };
        let all = as_map(value, "key 'sentinels'")?.iter().map(|(name, list)| {
            let numbers = sentinels_from_json(list);
            let place = format!("'{name}' in 'sentinels'");
            numbers.map(|numbers| (name.clone(), numbers)).ok_or_else(|| Error::field(WHAT, &place, list, NUMBERS))
        });
        Ok(Sentinels::new(all.collect::<Result<_>>()?))
    }

    fn reads(&self) -> Result<Schema> {
        let Some(value) = self.map.get("reads") else { return Ok(Schema::new()) };
        let one = |(name, value): (&String, &Value)| {
            let part = |at: usize| value.get(at).and_then(Value::as_str);
            let found = part(0).and_then(Kind::from_name).zip(part(1).and_then(DType::from_name));
            let expected = "kind and type, as [\"flat\", \"float32\"]";
            let found = found.ok_or_else(|| Error::field(WHAT, &format!("'{name}' in 'reads'"), value, expected))?;
            Ok((name.clone(), found))
        };
        as_map(value, "key 'reads'")?.iter().map(one).collect()
    }

    fn branch(&self, name: &str, kind: Kind) -> Result<BranchSpecs> {
        let types = self.types(name)?;
        let dtype = types.promoted();
        let min = self.bound("minv", name, dtype)?;
        let max = self.bound("maxv", name, dtype)?;
        let range = match (min, max) {
            (Some(min), Some(max)) if min.order(max).is_gt() => {
                let (min, max) = (min.to_json().to_string(), max.to_json().to_string());
                return Err(Error::RangeReversed { branch: name.to_owned(), min, max });
            }
            (Some(_), None) | (None, Some(_)) => {
                let place = format!("'{name}' in 'minv' and 'maxv'");
                return Err(Error::field(WHAT, &place, &Value::Null, "null in both or in neither"));
            }
            (min, max) => min.zip(max),
        };
        let width = match kind {
            Kind::Flat => 1,
            Kind::Jagged => whole(self.of_branch("jdim", name)?, || format!("'{name}' in 'jdim'"))?,
        };
        let statistics = statistics_of(self.map, name, kind, range)?;
        Ok(BranchSpecs { kind, types, width, range, counts: self.counts(name)?, statistics })
    }

    fn bound(&self, key: &str, name: &str, dtype: DType) -> Result<Option<Number>> {
        let value = self.of_branch(key, name)?;
        if value.is_null() {
            return Ok(None);
        }
        let number = Number::from_json(value, dtype);
        let expected = || format!("a finite {dtype} number, or null");
        number.map(Some).ok_or_else(|| Error::field(WHAT, &format!("'{name}' in '{key}'"), value, &expected()))
    }

    /// The branch's types: those under `mixed`, else the one under `types`, else float64, as in the original's files.
    fn types(&self, name: &str) -> Result<TypeSet> {
        let one = |value: &Value, key: &str| {
            let dtype = value.as_str().and_then(DType::from_name);
            let expected = "the name of a type, such as \"float32\"";
            let error = || Error::field(WHAT, &format!("'{name}' in '{key}'"), value, expected);
            dtype.map(TypeSet::of).ok_or_else(error)
        };
        if let Some(Value::Array(types)) = self.map.get("mixed").and_then(|mixed| mixed.get(name)) {
            let sets = types.iter().map(|value| one(value, "mixed")).collect::<Result<Vec<_>>>()?;
            if let Some(types) = sets.into_iter().reduce(TypeSet::union) {
                return Ok(types);
            }
        }
        match self.map.get("types") {
            Some(_) => one(self.of_branch("types", name)?, "types"),
            None => Ok(TypeSet::of(DType::Float64)),
        }
    }

    fn counts(&self, name: &str) -> Result<Option<Counts>> {
        let Some(value) = self.map.get("counts").and_then(|counts| counts.get(name)) else {
            return Ok(None);
        };
        let count = |key: &str| {
            let place = || format!("'{key}' of '{name}' in 'counts'");
            whole(value.get(key).unwrap_or(&Value::Null), place)
        };
        let (values, nulls) = (count("values")?, count("nulls")?);
        Ok(Some(Counts { values, nulls, nan: count("nan")?, infinite: count("inf")? }))
    }

    /// Entries of each file, and their total, which may stand alone.
    fn events(&self) -> Result<(BTreeMap<String, u64>, u64)> {
        let Some(value) = self.map.get("events") else {
            return Ok((BTreeMap::new(), 0));
        };
        let mut files = BTreeMap::new();
        for (file, events) in as_map(value, "key 'events'")? {
            files.insert(file.clone(), whole(events, || format!("'{file}' in 'events'"))?);
        }
        let total = files.remove("total").unwrap_or_else(|| files.values().sum());
        Ok((files, total))
    }

    fn selected(&self) -> Result<BTreeMap<String, Parts>> {
        let Some(value) = self.map.get("selected") else {
            return Ok(BTreeMap::new());
        };
        let mut selected = BTreeMap::new();
        for (file, parts) in as_map(value, "key 'selected'")? {
            let part = |key: &str| {
                whole(parts.get(key).unwrap_or(&Value::Null), || format!("'{key}' of '{file}' in 'selected'"))
            };
            selected.insert(file.clone(), [part("train")?, part("validation")?, part("test")?]);
        }
        Ok(selected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: &str = r#"{"fkeys": ["nJets"], "jkeys": ["jetPt"], "jdim": {"jetPt": 4},
        "minv": {"nJets": 0, "jetPt": 20.5}, "maxv": {"nJets": 9, "jetPt": 800.0}, "other": 1}"#;

    #[test]
    fn the_originals_five_keys_are_enough() {
        let specs = Specs::from_json(ORIGINAL).unwrap();
        assert_eq!(specs.branch("jetPt").unwrap().width, 4);
        assert_eq!(specs.branch("nJets").unwrap().dtype(), DType::Float64);
        assert_eq!(Specs::from_json(&specs.to_json()).unwrap(), specs);
    }

    #[test]
    fn messages_name_the_place() {
        let message = |from: &str, to: &str| Specs::from_json(&ORIGINAL.replace(from, to)).unwrap_err().to_string();
        assert_eq!(
            message("\"jetPt\": 4", "\"jetPt\": -4"),
            "specs: 'jetPt' in 'jdim' is -4; it must be a whole number, not negative"
        );
        assert_eq!(message("\"jetPt\": 4", ""), "specs: 'jetPt' in 'jdim' is missing");
        assert_eq!(message("20.5", "900"), "specs: branch 'jetPt': the minimum 900.0 is above the maximum 800.0");
        assert_eq!(message("[\"nJets\"]", "3"), "specs: key 'fkeys' is 3; it must be a list of branch names");
        assert_eq!(
            message("20.5", "null"),
            "specs: 'jetPt' in 'minv' and 'maxv' is null; it must be null in both or in neither"
        );
        assert!(
            message("20.5", "NaN").starts_with("specs: line 2, column 39: expected value"),
            "{}",
            message("20.5", "NaN")
        );
    }
}
