//! Arrow data as columns, through the PyCapsule interface.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array as _, ArrayRef, FixedSizeListArray, StructArray, new_empty_array};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field};
use mlaas4hep_core::Result;
use mlaas4hep_core::column::{Array, Bits, Bools, Checked, Data, Lists, Offsets, Validity, Values};
use mlaas4hep_core::schema::Kind;
use pyo3::prelude::*;
use pyo3_arrow::PyChunkedArray;
use pyo3_arrow::input::AnyArray;

use super::{Found, Named, Wanted};
use crate::error::ColumnError;

/// An array of numbers or of lists of numbers, and which of its events are null.
pub(super) struct Piece {
    array: ArrayRef,
    nulls: Option<NullBuffer>,
}

/// The columns of a table, record batch, struct array, or stream of these.
pub(super) fn columns<'py>(data: &Bound<'py, PyAny>, wanted: Wanted<'_>) -> PyResult<Named> {
    let (chunks, dtype) = chunks(data)?;
    let DataType::Struct(fields) = dtype else {
        let message = format!("the data are an Arrow array of {dtype}; give a table, a record batch or a struct array");
        return Err(ColumnError::new_err(message));
    };
    let records: Vec<&StructArray> = chunks.iter().map(|chunk| chunk.as_struct()).collect();
    let mut named = Named::default();
    for (index, field) in fields.iter().enumerate() {
        named.add(field.name(), wanted, || {
            let pieces = records.iter().map(|record| Piece::new(record.column(index), record.nulls()));
            look(field.name(), pieces.collect(), field.data_type())
        })?;
    }
    Ok(named)
}

/// One column.
pub(super) fn column<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Found> {
    let (chunks, dtype) = chunks(value)?;
    look(name, chunks.iter().map(|chunk| Piece::new(chunk, None)).collect(), &dtype)
}

/// What an Arrow stream gives, which can be read again.
pub(super) fn held<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(Bound::new(data.py(), chunked(data)?)?.into_any())
}

fn chunked(data: &Bound<'_, PyAny>) -> PyResult<PyChunkedArray> {
    let array = data.extract::<AnyArray>().and_then(|array| Ok(array.into_chunked_array()?));
    array.map_err(|error| ColumnError::new_err(format!("the Arrow data cannot be read: {}", error.value(data.py()))))
}

fn chunks(data: &Bound<'_, PyAny>) -> PyResult<(Vec<ArrayRef>, DataType)> {
    let (chunks, field) = chunked(data)?.into_inner();
    Ok((chunks, field.data_type().clone()))
}

/// Make a column of the pieces, or say why they hold no numbers.
fn look(name: &str, mut pieces: Vec<Piece>, dtype: &DataType) -> PyResult<Found> {
    let (kind, packed) = match plain(dtype) {
        Ok(plain) => plain,
        Err(reason) => return Ok(Found::NoNumbers(reason)),
    };
    if pieces.is_empty() {
        pieces.push(Piece::new(&new_empty_array(&packed), None));
    }
    let pieces = pieces.into_iter().map(|piece| piece.packed(&packed).map(super::Piece::Arrow));
    let pieces = pieces.collect::<std::result::Result<_, _>>();
    pieces
        .map(|pieces| Found::Pieces(kind, pieces))
        .map_err(|error| ColumnError::new_err(format!("branch '{name}': {error}")))
}

/// The kind of a column and the type without dictionaries, runs, views and halves; or why it holds no numbers.
fn plain(dtype: &DataType) -> std::result::Result<(Kind, DataType), String> {
    let list = |item: &Field| match plain(item.data_type()) {
        Ok((Kind::Flat, number)) => Ok(Arc::new(item.clone().with_data_type(number))),
        Ok((Kind::Jagged, _)) => Err("nested lists".to_owned()),
        Err(reason) => Err(format!("lists of {}", reason.trim_start_matches("of "))),
    };
    let jagged = |dtype: DataType| (Kind::Jagged, dtype);
    match dtype {
        DataType::List(item) | DataType::ListView(item) => list(item).map(DataType::List).map(jagged),
        DataType::LargeList(item) | DataType::LargeListView(item) => list(item).map(DataType::LargeList).map(jagged),
        DataType::FixedSizeList(item, length) => list(item).map(|item| jagged(DataType::FixedSizeList(item, *length))),
        DataType::Dictionary(_, value) => plain(value),
        DataType::RunEndEncoded(_, value) => plain(value.data_type()),
        DataType::Float16 => Ok((Kind::Flat, DataType::Float32)),
        DataType::Null => Ok((Kind::Flat, DataType::Float64)),
        DataType::Boolean | DataType::Float32 | DataType::Float64 => Ok((Kind::Flat, dtype.clone())),
        number if number.is_integer() => Ok((Kind::Flat, number.clone())),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Err("strings".to_owned()),
        DataType::Struct(_) => Err("records".to_owned()),
        other => Err(format!("of type {other}")),
    }
}

impl Piece {
    /// An array, with null also where its record is null.
    fn new(array: &ArrayRef, record: Option<&NullBuffer>) -> Piece {
        let nulls = NullBuffer::union(record, array.logical_nulls().as_ref());
        Piece { array: Arc::clone(array), nulls }
    }

    /// The same in another type.
    fn packed(self, dtype: &DataType) -> std::result::Result<Piece, ArrowError> {
        let array = match dtype {
            _ if self.array.data_type() == dtype => self.array,
            // A cast would lose the number of lists where they are all empty.
            DataType::FixedSizeList(item, 0) => {
                let empty = new_empty_array(item.data_type());
                let events = self.array.len();
                Arc::new(FixedSizeListArray::try_new_with_length(Arc::clone(item), 0, empty, None, events)?)
            }
            _ => cast(&self.array, dtype)?,
        };
        Ok(Piece { array, nulls: self.nulls })
    }

    pub(super) fn view<'a>(&'a self, branch: &str, known: &mut Checked<'a>) -> Result<Array<'a>> {
        let Piece { array, nulls } = self;
        let (offsets, content) = match array.data_type() {
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                (Offsets::Int32(lists.value_offsets()), lists.values())
            }
            DataType::LargeList(_) => {
                let lists = array.as_list::<i64>();
                (Offsets::Int64(lists.value_offsets()), lists.values())
            }
            DataType::FixedSizeList(_, length) => {
                let length = usize::try_from(*length).unwrap_or(0);
                (Offsets::Fixed { first: 0, length, events: array.len() }, array.as_fixed_size_list().values())
            }
            _ => return Ok(Array::Flat(values(branch, array, nulls.as_ref())?)),
        };
        let content = values(branch, content, content.nulls())?;
        let lists = Lists::checked(branch, offsets, validity(nulls.as_ref()), content, known)?;
        Ok(Array::Jagged(lists))
    }
}

fn validity(nulls: Option<&NullBuffer>) -> Validity<'_> {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => Validity::AllValid,
        Some(nulls) => Validity::Mask { flags: bools(nulls.inner()), valid_when: true },
    }
}

fn bools(bits: &arrow_buffer::BooleanBuffer) -> Bools<'_> {
    // A BooleanBuffer always has the bytes that its bits need.
    Bits::new(bits.values(), bits.offset(), bits.len()).map_or(Bools::Bytes(&[]), Bools::Bits)
}

fn values<'a>(branch: &str, array: &'a ArrayRef, nulls: Option<&'a NullBuffer>) -> Result<Values<'a>> {
    let data = match array.data_type() {
        DataType::Boolean => Data::Bool(bools(array.as_boolean().values())),
        DataType::Int8 => Data::Int8(array.as_primitive::<Int8Type>().values()),
        DataType::Int16 => Data::Int16(array.as_primitive::<Int16Type>().values()),
        DataType::Int32 => Data::Int32(array.as_primitive::<Int32Type>().values()),
        DataType::Int64 => Data::Int64(array.as_primitive::<Int64Type>().values()),
        DataType::UInt8 => Data::UInt8(array.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => Data::UInt16(array.as_primitive::<UInt16Type>().values()),
        DataType::UInt32 => Data::UInt32(array.as_primitive::<UInt32Type>().values()),
        DataType::UInt64 => Data::UInt64(array.as_primitive::<UInt64Type>().values()),
        DataType::Float32 => Data::Float32(array.as_primitive::<Float32Type>().values()),
        // `plain` lets nothing else through.
        _ => Data::Float64(array.as_primitive::<Float64Type>().values()),
    };
    Values::new(branch, data, validity(nulls))
}
