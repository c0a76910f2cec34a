//! What was learned of single files, in `specs.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::FilePart;
use super::json::{WHAT, as_map, whole};
use crate::error::{Error, Result};

/// An object of each file.
pub(super) fn parts_to_json(parts: &BTreeMap<String, FilePart>) -> Map<String, Value> {
    let object = |part: &FilePart| {
        let FilePart { fingerprint, made_with, events, specs } = part;
        json!({"fingerprint": fingerprint, "made_with": made_with, "events": events, "specs": specs})
    };
    parts.iter().map(|(file, part)| (file.clone(), object(part))).collect()
}

/// The parts under the key of that name, if there is one.
pub(super) fn parts_from_json(map: &Map<String, Value>) -> Result<BTreeMap<String, FilePart>> {
    let Some(value) = map.get("parts") else { return Ok(BTreeMap::new()) };
    let parts = as_map(value, "key 'parts'")?.iter().map(|(file, part)| {
        let place = |key: &str| format!("'{key}' of '{file}' in 'parts'");
        let text = |key: &str| {
            let value = part.get(key).unwrap_or(&Value::Null);
            value.as_str().map(str::to_owned).ok_or_else(|| Error::field(WHAT, &place(key), value, "a text"))
        };
        let events = whole(part.get("events").unwrap_or(&Value::Null), || place("events"))?;
        let (fingerprint, made_with, specs) = (text("fingerprint")?, text("made_with")?, text("specs")?);
        Ok((file.clone(), FilePart { fingerprint, made_with, events, specs }))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use crate::specs::Specs;

    const TEXT: &str = r#"{"fkeys": [], "jkeys": [], "jdim": {}, "minv": {}, "maxv": {}, "events": {"a.root": 3},
        "parts": {"a.root": {"fingerprint": "x", "made_with": "y", "events": 3, "specs": "z"}}}"#;

    #[test]
    fn parts_read_back_equal_and_merge_with_those_of_other_files() {
        let specs = Specs::from_json(TEXT).unwrap();
        assert_eq!(specs.parts()["a.root"].events, 3);
        assert_eq!(Specs::from_json(&specs.to_json()).unwrap(), specs);
        let other = Specs::from_json(&TEXT.replace("a.root", "b.root")).unwrap();
        assert_eq!(specs.merged(&other).unwrap().parts().len(), 2);
        assert!(specs.merged(&specs).unwrap().parts().is_empty());
    }

    #[test]
    fn messages_name_the_place() {
        let message = |from: &str, to: &str| Specs::from_json(&TEXT.replace(from, to)).unwrap_err().to_string();
        assert_eq!(message("\"z\"", "1"), "specs: 'specs' of 'a.root' in 'parts' is 1; it must be a text");
        assert_eq!(
            message("3, \"specs", "-3, \"specs"),
            "specs: 'events' of 'a.root' in 'parts' is -3; it must be a whole number, not negative"
        );
    }
}
