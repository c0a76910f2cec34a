//! Statistics in `specs.json`: `mean` and `std` for who reads the file, and what they and quantiles are computed from.

use serde_json::{Map, Value};

use super::bins::Bins;
use super::json::WHAT;
use super::moments::Moments;
use super::sketch::is_bin;
use super::statistics::Statistics;
use super::{BranchSpecs, Number, Specs};
use crate::error::{Error, Result};
use crate::schema::Kind;

const BINS: &str = "counts of bins, as \"first:count,count ...\", the bins ascending and the counts above 0";

/// The objects of all branches that have statistics, each under its key.
pub(super) fn statistics_to_json(specs: &Specs) -> [(&'static str, Map<String, Value>); 5] {
    let each = |value: &dyn Fn(&Statistics) -> Option<Value>| -> Map<String, Value> {
        let known = |(name, branch): (&str, &BranchSpecs)| Some((name.to_owned(), value(branch.statistics.as_ref()?)?));
        specs.branches().filter_map(known).collect()
    };
    let moments = |found: &Statistics| Some(found.moments().map(|moments| moments.parts().to_vec()).into());
    [
        ("mean", each(&|found| Some(found.mean().into()))),
        ("std", each(&|found| Some(found.deviation().into()))),
        ("moments", each(&moments)),
        ("quantiles", each(&|found| Some(found.sketch().to_text().into()))),
        ("lengths", each(&|found| Some(found.lengths()?.to_text().into()))),
    ]
}

/// The statistics of a branch, if all that make them up are there.
pub(super) fn statistics_of(
    map: &Map<String, Value>,
    name: &str,
    kind: Kind,
    range: Option<(Number, Number)>,
) -> Result<Option<Statistics>> {
    let find = |key: &str| map.get(key).and_then(|object| object.get(name));
    let lengths = find("lengths").map(|value| bins_of(value, name, "lengths", |length| length >= 0)).transpose()?;
    let (Some(moments), Some(quantiles)) = (find("moments"), find("quantiles")) else { return Ok(None) };
    if lengths.is_none() && kind == Kind::Jagged {
        return Ok(None);
    }
    let sketch = bins_of(quantiles, name, "quantiles", is_bin)?;
    let bounds = range.map(|(min, max)| (min.to_f64(), max.to_f64()));
    if sketch.is_empty() != bounds.is_none() {
        let place = format!("'{name}' in 'quantiles'");
        return Err(Error::field(WHAT, &place, quantiles, "empty exactly where minv and maxv are null"));
    }
    Ok(Some(Statistics::new(bounds, moments_of(moments, name)?, sketch, lengths)))
}

/// The sums of a branch; of one whose values are too large for them any will do.
fn moments_of(value: &Value, name: &str) -> Result<Moments> {
    if value.is_null() {
        return Ok(Moments::default());
    }
    let parts = value.as_array().and_then(|parts| parts.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>());
    let moments = parts.and_then(|parts| parts.try_into().ok()).and_then(Moments::from_parts);
    let expected = "three finite sums, of each the number and what rounding it to float64 lost";
    moments.ok_or_else(|| Error::field(WHAT, &format!("'{name}' in 'moments'"), value, expected))
}

fn bins_of(value: &Value, name: &str, key: &str, is_bin: impl Fn(i64) -> bool) -> Result<Bins> {
    let bins = value.as_str().and_then(Bins::from_text);
    let bins = bins.filter(|bins| bins.iter().all(|(bin, _)| is_bin(bin)));
    bins.ok_or_else(|| Error::field(WHAT, &format!("'{name}' in '{key}'"), value, BINS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"fkeys": [], "jkeys": ["pt"], "jdim": {"pt": 2}, "minv": {"pt": 1.0}, "maxv": {"pt": 2.0},
        "moments": {"pt": [2.0, 0.0, 3.0, 0.0, 5.0, 0.0]}, "quantiles": {"pt": "8128:1 8192:1"}, "lengths": {"pt": "2:1"}}"#;

    #[test]
    fn statistics_read_back_equal() {
        let specs = Specs::from_json(TEXT).unwrap();
        let found = specs.branch("pt").unwrap().statistics.as_ref().unwrap();
        assert_eq!((found.mean(), found.deviation(), found.quantile(0.1)), (Some(1.5), Some(0.5), Some(1.0078125)));
        assert_eq!(found.length_quantile(1.0), Some(2));
        assert_eq!(Specs::from_json(&specs.to_json()).unwrap(), specs);
    }

    #[test]
    fn messages_name_the_place() {
        let message = |from: &str, to: &str| Specs::from_json(&TEXT.replace(from, to)).unwrap_err().to_string();
        assert_eq!(
            message("8128:1", "8128:0"),
            "specs: 'pt' in 'quantiles' is \"8128:0 8192:1\"; it must be counts of bins, as \"first:count,count ...\", \
             the bins ascending and the counts above 0"
        );
        assert!(message("8192:1", "99999:1").starts_with("specs: 'pt' in 'quantiles' is"));
        assert!(message("2:1\"}", "-2:1\"}").starts_with("specs: 'pt' in 'lengths' is \"-2:1\"; it must be counts"));
        assert_eq!(
            message("8128:1 8192:1", ""),
            "specs: 'pt' in 'quantiles' is \"\"; it must be empty exactly where minv and maxv are null"
        );
        assert_eq!(
            message("5.0, 0.0", "5.0"),
            "specs: 'pt' in 'moments' is [2.0,0.0,3.0,0.0,5.0]; it must be three finite sums, of each the number and \
             what rounding it to float64 lost"
        );
    }
}
