//! The steps of formulas in the JSON form of a plan.

use serde_json::{Value, json};

use super::Slot;
use super::json::{ReadStep, WHAT, broken, load_to_json};
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::expr::{Constant, FormulaStep, Function, Op, Place, Program, Reduction, Relation, Select, Shape, Type};
use crate::schema::DType;

/// The steps of a program's formulas, as they stand in a plan.
pub fn steps_to_json(program: &Program) -> String {
    Value::from((0..program.steps().len()).map(|out| formula_to_json(program, out)).collect::<Vec<_>>()).to_string()
}

pub(super) fn formula_to_json(program: &Program, out: Slot) -> Value {
    let FormulaStep { op, place, .. } = &program.steps()[out];
    let inputs = op.inputs();
    let mut step = match op {
        Op::Load { branch, kind, dtype } => load_to_json(&program.sentinels, branch, *kind, *dtype),
        Op::Constant(Constant::Bool(value)) => json!({"op": "constant", "type": "bool", "value": value}),
        Op::Constant(Constant::Int(value)) => json!({"op": "constant", "type": "int64", "value": value}),
        Op::Constant(Constant::Float(value)) => json!({"op": "constant", "type": "float64", "value": value}),
        Op::Broadcast { .. } => json!({"op": "broadcast", "in": inputs}),
        Op::Apply { function, .. } => json!({"op": "apply", "function": function.name(), "in": inputs}),
        Op::Compare { relation, .. } => json!({"op": "compare", "function": relation.name(), "in": inputs}),
        Op::Reduce { reduction, .. } => json!({"op": "reduce", "function": reduction.name(), "in": inputs}),
        Op::At { .. } => json!({"op": "at", "in": inputs}),
        Op::Filter { .. } => json!({"op": "filter", "in": inputs}),
        Op::Sort { descending, .. } => json!({"op": "sort", "in": inputs, "descending": descending}),
    };
    step["out"] = out.into();
    step["at"] = json!([place.formula, place.start, place.stop]);
    step
}

pub(super) fn select_to_json(select: &Select) -> Value {
    let when = if select.training { "training" } else { "always" };
    json!({"op": "select", "in": select.slot, "cut": select.cut, "when": when})
}

pub(super) fn define_to_json(program: &Program, input: Slot, out: Slot, number: usize) -> Value {
    let defined = &program.defined()[number];
    let (kind, dtype) = program.branch_of(defined);
    json!({
        "op": "define", "in": input, "out": out,
        "branch": defined.name, "kind": kind.name(), "type": dtype.name(),
    })
}

/// A step of formulas; nothing if it is one of the matrix. `types` collects the type of every new branch.
pub(super) fn step(reader: &Reader<'_>, types: &mut Vec<(Slot, DType)>) -> Result<Option<ReadStep>> {
    match reader.text("op")? {
        "select" => {
            let training = match reader.text("when")? {
                "training" => true,
                "always" => false,
                _ => return Err(reader.wrong("when", "\"always\" or \"training\"")),
            };
            let (slot, cut) = (reader.count("in")?, reader.text("cut")?.to_owned());
            Ok(Some(ReadStep::Select(Select { slot, cut, training })))
        }
        "define" => {
            let (kind, dtype) = reader.kind_and_type()?;
            let (input, out) = (reader.count("in")?, reader.count("out")?);
            types.push((out, dtype));
            Ok(Some(ReadStep::Define { input, out, branch: reader.text("branch")?.to_owned(), kind, dtype }))
        }
        name if reader.map.contains_key("at") => {
            let (op, place) = (op(reader, name)?, place(reader)?);
            // Type and shape follow from what it takes; see `link`.
            let step = FormulaStep { op, ty: Type::Float, shape: Shape::Constant, place };
            Ok(Some(ReadStep::Formula { out: reader.count("out")?, step }))
        }
        _ => Ok(None),
    }
}

fn op(reader: &Reader<'_>, name: &str) -> Result<Op> {
    let function = |known: &str| reader.wrong("function", known);
    Ok(match name {
        "load" => load(reader)?,
        "constant" => Op::Constant(constant(reader)?),
        "broadcast" => {
            let [input, like] = inputs(reader)?;
            Op::Broadcast { input, like }
        }
        "apply" => {
            let named = Function::from_name(reader.text("function")?);
            Op::Apply { function: named.ok_or_else(|| function("the name of a function"))?, inputs: slots(reader)? }
        }
        "compare" => {
            let named = Relation::from_name(reader.text("function")?);
            Op::Compare { relation: named.ok_or_else(|| function("the name of a relation"))?, inputs: inputs(reader)? }
        }
        "reduce" => {
            let named = Reduction::from_name(reader.text("function")?);
            let [input] = inputs(reader)?;
            Op::Reduce { reduction: named.ok_or_else(|| function("the name of a reduction"))?, input }
        }
        "at" => {
            let [input, index] = inputs(reader)?;
            Op::At { input, index }
        }
        "filter" => {
            let [input, mask] = inputs(reader)?;
            Op::Filter { input, mask }
        }
        "sort" => {
            let descending = reader.get("descending")?.as_bool();
            let descending = descending.ok_or_else(|| reader.wrong("descending", "true or false"))?;
            let [input, by] = inputs(reader)?;
            Op::Sort { input, by, descending }
        }
        _ => return Err(reader.wrong("op", "the name of a step, as \"apply\"")),
    })
}

fn load(reader: &Reader<'_>) -> Result<Op> {
    let (kind, dtype) = reader.kind_and_type()?;
    Ok(Op::Load { branch: reader.text("branch")?.to_owned(), kind, dtype })
}

fn constant(reader: &Reader<'_>) -> Result<Constant> {
    let value = reader.get("value")?;
    let constant = match reader.text("type")? {
        "bool" => value.as_bool().map(Constant::Bool),
        "int64" => value.as_i64().map(Constant::Int),
        "float64" => value.as_f64().map(Constant::Float),
        _ => return Err(reader.wrong("type", "\"bool\", \"int64\" or \"float64\"")),
    };
    constant.ok_or_else(|| reader.wrong("value", "a value of the type"))
}

/// A list of whole numbers.
fn slots_at(reader: &Reader<'_>, key: &str) -> Result<Vec<usize>> {
    let list = reader.get(key)?.as_array().and_then(|list| {
        let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
        list.iter().map(number).collect()
    });
    list.ok_or_else(|| reader.wrong(key, "a list of whole numbers"))
}

fn slots(reader: &Reader<'_>) -> Result<Vec<Slot>> {
    slots_at(reader, "in")
}

fn inputs<const N: usize>(reader: &Reader<'_>) -> Result<[Slot; N]> {
    slots(reader)?.try_into().map_err(|_| reader.wrong("in", &format!("a list of {N} whole numbers")))
}

fn place(reader: &Reader<'_>) -> Result<Place> {
    let place = slots_at(reader, "at")?;
    match place[..] {
        [formula, start, stop] if start <= stop => Ok(Place { formula, start, stop }),
        _ => Err(reader.wrong("at", "the number of a formula, a start and a stop")),
    }
}

/// The program that steps make up: those of cuts, the cuts, and the others.
pub(super) fn link(formulas: Vec<String>, steps: &[ReadStep]) -> Result<Program> {
    let mut program = Program { formulas, ..Program::default() };
    for (index, read) in steps.iter().enumerate() {
        match read {
            ReadStep::Formula { out, step } => {
                if *out != program.steps.len() || step.place.formula >= program.formulas.len() {
                    return Err(broken(index, "the next value, of a formula that is there"));
                }
                let inputs = step.op.inputs().into_iter();
                let inputs: Option<Vec<_>> =
                    inputs.map(|slot| program.steps.get(slot).map(|step| (step.ty, step.shape))).collect();
                let Some((ty, shape)) = inputs.and_then(|inputs| step.op.result(&inputs)) else {
                    return Err(broken(index, "of values that were made before, of types that it takes"));
                };
                program.steps.push(FormulaStep { ty, shape, ..step.clone() });
            }
            ReadStep::Select(select) => {
                if program.selects.is_empty() {
                    program.cut_steps = program.steps.len();
                }
                let step = program.steps.get(select.slot).filter(|_| program.cut_steps == program.steps.len());
                if !step.is_some_and(|step| step.ty == Type::Bool && step.shape != Shape::Jagged) {
                    return Err(broken(index, "beside the other cuts, of a flat bool"));
                }
                program.selects.push(select.clone());
            }
            _ => return Err(Error::MissingField { what: WHAT, place: format!("step {index}") }),
        }
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::expr::{Cut, NewBranch, compile};
    use crate::plan::{Options, Plan};
    use crate::schema::{DType, Kind, Schema, TypeSet};
    use crate::specs::{BranchSpecs, Number, Specs};

    /// A plan with a new branch `a`, which takes some of each kind of step, and two cuts.
    fn plan() -> Plan {
        let flat = |dtype| (Kind::Flat, dtype);
        let schema: Schema =
            [("n".to_owned(), flat(DType::Int32)), ("x".to_owned(), (Kind::Jagged, DType::Float32))].into();
        let formula = "sum(sort(x[x > 0.5], by=x[x > 0.5], descending=True) * n) + x[0] + 0.5".to_owned();
        let new = NewBranch { name: "a".to_owned(), formula, kept: true, ..NewBranch::default() };
        let cut =
            |text: &str, training| Cut { formula: text.to_owned(), name: text.to_owned(), training, ..Cut::default() };
        let (program, _) = compile(&schema, &[new], &[cut("n >= 2", false), cut("True", true)]).unwrap();
        let range = Some((Number::Float(0.0), Number::Float(2.0)));
        let branch = |kind, dtype, width| BranchSpecs {
            kind,
            types: TypeSet::of(dtype),
            width,
            range,
            counts: None,
            statistics: None,
        };
        let branches: BTreeMap<String, BranchSpecs> = [
            ("a".to_owned(), branch(Kind::Flat, DType::Float64, 1)),
            ("x".to_owned(), branch(Kind::Jagged, DType::Float32, 2)),
        ]
        .into();
        Plan::new(&Specs::new(branches, 3), program, &Options::default()).unwrap()
    }

    #[test]
    fn a_plan_with_formulas_reads_back() {
        let plan = plan();
        assert_eq!(Plan::from_json(plan.to_json()).unwrap(), plan);
        assert_eq!(plan.reads(), ["x", "n"].map(Arc::from));
    }

    #[test]
    fn steps_that_do_not_fit_are_refused() {
        let message = |from: &str, to: &str| {
            let text = plan().to_json().to_owned();
            assert!(text.contains(from), "{from} is in {text}");
            Plan::from_json(&text.replacen(from, to, 1)).unwrap_err().to_string()
        };
        let broken = "is out of place; it must be";
        for (from, to, expected) in [
            ("\"op\":\"sort\"", "\"op\":\"sorted\"", "\"sorted\"; it must be the name of a step".to_owned()),
            ("\"function\":\"sum\"", "\"function\":\"sun\"", "it must be the name of a reduction".to_owned()),
            ("\"function\":\"mul\"", "\"function\":\"mull\"", "it must be the name of a function".to_owned()),
            ("\"function\":\"gt\"", "\"function\":\"over\"", "it must be the name of a relation".to_owned()),
            ("\"function\":\"mul\"", "\"function\":\"not\"", format!("{broken} of values that were made before")),
            ("\"function\":\"sum\"", "\"function\":\"any\"", format!("{broken} of values that were made before")),
            ("\"descending\":true", "\"descending\":1", "it must be true or false".to_owned()),
            ("\"when\":\"training\"", "\"when\":\"never\"", "it must be \"always\" or \"training\"".to_owned()),
            ("\"value\":2", "\"value\":2.5", "it must be a value of the type".to_owned()),
            ("\"out\":1", "\"out\":7", format!("{broken} the next value, of a formula that is there")),
            ("\"at\":[0,", "\"at\":[9,", format!("{broken} the next value, of a formula that is there")),
            ("\"at\":[0,0", "\"at\":[0,900", "the number of a formula, a start and a stop".to_owned()),
            ("\"in\":2,\"op\":\"select\"", "\"in\":0,\"op\":\"select\"", format!("{broken} beside the other cuts")),
            ("\"branch\":\"a\",\"in\":", "\"branch\":\"a\",\"in\":99", format!("{broken} a value of the formulas")),
            (
                "\"type\":\"float64\",\"value\":0.5",
                "\"type\":\"text\",\"value\":0.5",
                "\"bool\", \"int64\" or".to_owned(),
            ),
        ] {
            let found = message(from, to);
            assert!(found.contains(&expected), "{from} to {to}: {found}");
        }
    }
}
