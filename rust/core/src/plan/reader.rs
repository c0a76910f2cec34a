//! Reading the JSON form of a plan, one object at a time.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::json::WHAT;
use super::{Layout, Normalize, Padding, Slot, Step, Tensor, layout};
use crate::error::{Error, Result};
use crate::schema::{DType, Kind};
use crate::specs::{NUMBERS, Number, sentinels_from_json};

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

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>> {
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
    pub(super) fn sentinels(&self, known: &mut BTreeMap<String, Vec<Number>>) -> Result<()> {
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

    pub(super) fn float(&self, key: &str) -> Result<f32> {
        let value = self.get(key)?.as_f64().map(|value| value as f32).filter(|value| value.is_finite());
        value.ok_or_else(|| self.wrong(key, "a finite float32 number"))
    }

    /// The step; `types` collects the type of every loaded value.
    pub(super) fn step(&self, types: &mut Vec<(Slot, DType)>, layout: &Layout, pad_value: f32) -> Result<Step> {
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
                let (normalize, clip) = (self.normalize(dtype)?, self.clip()?);
                Ok(Step::Scale { input, out: self.count("out")?, normalize, clip })
            }
            "pad" if self.float("value")?.to_bits() != pad_value.to_bits() => {
                Err(self.wrong("value", &format!("{pad_value}, the plan's pad value")))
            }
            "pad" => {
                let (out, width, padding) = (self.count("out")?, self.count("width")?, self.padding(pad_value)?);
                Ok(Step::Pad { input: input()?, out, width, padding })
            }
            "store" => {
                let (tensor, column) = (self.tensor(layout)?, self.count("column")?);
                Ok(Step::Store { input: input()?, tensor, column })
            }
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
            "standard" => Ok(Normalize::Standard(self.affine()?)),
            "robust" => Ok(Normalize::Robust(self.affine()?)),
            _ => Err(self.wrong("normalize", "\"minmax\", \"standard\", \"robust\" or \"none\"")),
        }
    }

    /// Center and scale, or neither.
    fn affine(&self) -> Result<Option<(f64, f64)>> {
        let number = |key: &str| {
            let value = self.get(key)?;
            let number = value.as_f64().filter(|number| number.is_finite());
            let wrong = || self.wrong(key, "a finite number, or null");
            if value.is_null() { Ok(None) } else { number.map(Some).ok_or_else(wrong) }
        };
        match (number("center")?, number("scale")?) {
            (Some(_), Some(scale)) if scale < 0.0 => Err(self.wrong("scale", "not negative")),
            (Some(center), Some(scale)) => Ok(Some((center, scale))),
            (None, None) => Ok(None),
            _ => Err(self.wrong("scale", "null together with center")),
        }
    }

    fn clip(&self) -> Result<Option<(f32, f32)>> {
        let Some(value) = self.map.get("clip") else { return Ok(None) };
        let number = |value: &Value| value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
        let numbers: Option<Vec<f32>> = value.as_array().and_then(|list| list.iter().map(number).collect());
        match numbers.as_deref() {
            Some(&[lower, upper]) if lower <= upper => Ok(Some((lower, upper))),
            _ => Err(self.wrong("clip", "two finite float32 numbers, the lower one first")),
        }
    }

    /// What a pad step may say besides width and pad value.
    fn padding(&self, pad_value: f32) -> Result<Padding> {
        let has = |key: &str| self.map.contains_key(key);
        let fill = if has("fill") { self.float("fill")? } else { pad_value };
        let wrap = has("padding");
        if wrap && self.text("padding")? != "wrap" {
            return Err(self.wrong("padding", "\"wrap\""));
        }
        let largest = if has("largest") { Some(self.text("largest")?.to_owned()) } else { None };
        Ok(Padding { fill, wrap, largest })
    }

    /// The number of the tensor that a store step names; 0, the matrix, where it names none.
    fn tensor(&self, layout: &Layout) -> Result<usize> {
        if !self.map.contains_key("tensor") {
            return Ok(0);
        }
        let name = self.text("tensor")?;
        let found = layout.tensors.iter().position(|tensor| tensor.name == name);
        found.map(|number| number + 1).ok_or_else(|| self.wrong("tensor", "the name of one of the plan's tensors"))
    }

    /// The layout of the whole plan.
    pub(super) fn layout(&self) -> Result<Layout> {
        if !self.map.contains_key("layout") {
            return Ok(Layout { name: layout::MATRIX.to_owned(), tensors: Vec::new() });
        }
        let name = self.text("layout")?.to_owned();
        if name != "collections" && name != "image" {
            return Err(self.wrong("layout", "\"collections\" or \"image\""));
        }
        let wrong = || self.wrong("tensors", "a list of tensors, each with a name of its own and a shape");
        let list = self.get("tensors")?.as_array().ok_or_else(wrong)?;
        let tensors = list.iter().map(tensor).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let names: HashSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        if names.len() < tensors.len() { Err(wrong()) } else { Ok(Layout { name, tensors }) }
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

/// A tensor of the layout; nothing if it is none.
fn tensor(value: &Value) -> Option<Tensor> {
    let length = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let shape: Vec<usize> = value.get("shape")?.as_array()?.iter().map(length).collect::<Option<_>>()?;
    let name = value.get("name")?.as_str()?.to_owned();
    matches!(shape.len(), 2 | 3).then_some(Tensor { name, shape })
}
