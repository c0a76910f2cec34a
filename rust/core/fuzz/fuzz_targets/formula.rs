//! Any text as a formula: it is compiled, and run on a few events, or refused with a message; never anything else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mlaas4hep_core::column::{Array, Column, Data, Lists, Offsets, Table, Validity, Values};
use mlaas4hep_core::expr::{Type, compile_one};
use mlaas4hep_core::run::{Evaluation, Out};
use mlaas4hep_core::schema::{DType, Kind, Schema};

const OFFSETS: [i32; 5] = [0, 2, 2, 3, 6];
const X: [f32; 6] = [1.5, f32::NAN, -0.0, f32::INFINITY, 3.0, -7.25];
const N: [i64; 4] = [i64::MIN, -1, 0, i64::MAX];
const B: [u64; 6] = [0, 1, 2, 3, 4, u64::MAX];

fn jagged<'a>(name: &'a str, data: Data<'a>) -> Column<'a> {
    let values = Values::new(name, data, Validity::AllValid).unwrap();
    let lists = Lists::new(name, Offsets::Int32(&OFFSETS), Validity::AllValid, values).unwrap();
    Column::new(name, Kind::Jagged, vec![Array::Jagged(lists)]).unwrap()
}

fuzz_target!(|text: &str| {
    let branches = [("x", Kind::Jagged, DType::Float32), ("n", Kind::Flat, DType::Int64), ("b", Kind::Jagged, DType::UInt64)];
    let schema: Schema = branches.into_iter().map(|(name, kind, dtype)| (name.to_owned(), (kind, dtype))).collect();
    let program = match compile_one(&schema, text) {
        Ok(program) => program,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let n = Array::Flat(Values::new("n", Data::Int64(&N), Validity::AllValid).unwrap());
    let n = Column::new("n", Kind::Flat, vec![n]).unwrap();
    let table = Table::new(vec![jagged("x", Data::Float32(&X)), n, jagged("b", Data::UInt64(&B))]).unwrap();
    let evaluation = Evaluation::new(&program, &table).unwrap();
    let room = evaluation.capacity();
    let (mut nulls, mut offsets) = (vec![0; room], vec![0; 5]);
    let (mut bools, mut ints, mut floats) = (vec![0; room], vec![0; room], vec![0.0; room]);
    let out = match evaluation.ty() {
        Type::Bool => Out::Bool(&mut bools),
        Type::Int => Out::Int64(&mut ints),
        Type::Float => Out::Float64(&mut floats),
    };
    let _ = evaluation.run(out, &mut nulls, &mut offsets, Some(1));
});
