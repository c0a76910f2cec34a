//! NumPy arrays as columns: flat, two-dimensional, or pairs of offsets and content; with or without masks.

use std::ptr::NonNull;

use mlaas4hep_core::Result;
use mlaas4hep_core::column::{self, Array, Bits, Bools, Checked, Data, Lists, Offsets, Validity, Values};
use mlaas4hep_core::schema::Kind;
use numpy::{Element, PyArrayDescrMethods, PyArrayDyn};
use numpy::{PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::Masked;
use crate::error::ColumnError;

/// A flat or jagged piece.
pub(super) enum Piece {
    /// One number an event.
    Flat(Masks),
    /// A two-dimensional array: as many numbers every event.
    Fixed { values: Numbers, length: usize, events: usize, mask: Option<Mask> },
    /// Offsets and content.
    Lists { offsets: Numbers, content: Masks, mask: Option<Mask> },
}

/// Numbers and their mask.
pub(super) struct Masks {
    values: Numbers,
    mask: Option<Mask>,
}

/// A mask of nulls.
pub(super) struct Mask {
    flags: Numpy<u8>,
    /// Number of flags if they are bits.
    bits: bool,
    valid_when: bool,
}

/// A contiguous array of native numbers.
pub(crate) enum Numbers {
    Bool(Numpy<u8>),
    Int8(Numpy<i8>),
    Int16(Numpy<i16>),
    Int32(Numpy<i32>),
    Int64(Numpy<i64>),
    UInt8(Numpy<u8>),
    UInt16(Numpy<u16>),
    UInt32(Numpy<u32>),
    UInt64(Numpy<u64>),
    Float32(Numpy<f32>),
    Float64(Numpy<f64>),
}

/// An array of `T`, contiguous, aligned, in native byte order.
///
/// rust-numpy's registry of borrows would guard it against our own writes only, at more than all the rest of a small
/// call takes; that a caller's `out` is none of its columns is checked where both are known.
pub(crate) struct Numpy<T: Element> {
    /// Keeps the memory alive, and where it is.
    array: Py<PyArrayDyn<T>>,
    start: NonNull<T>,
    len: usize,
}

// SAFETY: the memory belongs to the array, which any thread may let go of, and is only read here. As with NumPy's own
// functions, other threads must not write to it meanwhile.
#[allow(unsafe_code)]
unsafe impl<T: Element> Send for Numpy<T> {}
// SAFETY: see above.
#[allow(unsafe_code)]
unsafe impl<T: Element> Sync for Numpy<T> {}

impl<T: Element> Numpy<T> {
    fn of(array: &Bound<'_, PyUntypedArray>) -> Option<Numpy<T>> {
        let typed = array.cast::<PyArrayDyn<T>>().ok()?;
        if !(array.is_c_contiguous() && typed.is_aligned()) {
            return None;
        }
        let start = NonNull::new(typed.data()).unwrap_or(NonNull::dangling());
        Some(Numpy { array: typed.clone().unbind(), start, len: array.len() })
    }

    fn as_slice(&self) -> &[T] {
        // SAFETY: the array is contiguous and aligned, and alive as long as this, which holds a reference: NumPy neither
        // moves nor resizes its memory then.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr(), self.len)
        }
    }
}

/// A piece, or the reason why a value holds no numbers.
pub(super) type Looked<T> = PyResult<std::result::Result<T, String>>;

impl Piece {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Piece::Flat(_) => Kind::Flat,
            Piece::Fixed { .. } | Piece::Lists { .. } => Kind::Jagged,
        }
    }

    /// The array of offsets, if they are int64.
    pub(super) fn offsets<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Piece::Lists { offsets: Numbers::Int64(offsets), .. } => Some(offsets.array.bind(py).as_any().clone()),
            _ => None,
        }
    }

    pub(super) fn view<'a>(&'a self, branch: &str, known: &mut Checked<'a>) -> Result<Array<'a>> {
        match self {
            Piece::Flat(masks) => Ok(Array::Flat(masks.view(branch)?)),
            Piece::Fixed { values, length, events, mask } => {
                let content = Values::new(branch, values.data(), Validity::AllValid)?;
                let offsets = Offsets::Fixed { first: 0, length: *length, events: *events };
                let validity = validity(mask.as_ref(), *events);
                Ok(Array::Jagged(Lists::new(branch, offsets, validity, content)?))
            }
            Piece::Lists { offsets, content, mask } => {
                let offsets = match offsets.data() {
                    Data::Int32(offsets) => Offsets::Int32(offsets),
                    Data::Int64(offsets) => Offsets::Int64(offsets),
                    _ => Offsets::Int64(&[]),
                };
                let validity = validity(mask.as_ref(), offsets.events());
                Ok(Array::Jagged(Lists::checked(branch, offsets, validity, content.view(branch)?, known)?))
            }
        }
    }
}

impl Masks {
    fn view(&self, branch: &str) -> Result<Values<'_>> {
        let data = self.values.data();
        Values::new(branch, data, validity(self.mask.as_ref(), data.len()))
    }
}

/// The validity of `len` values; a bitmap may be longer than that.
fn validity<'a>(mask: Option<&'a Mask>, len: usize) -> Validity<'a> {
    let Some(mask) = mask else { return Validity::AllValid };
    let bytes = mask.flags.as_slice();
    let bits = mask.bits.then(|| Bits::new(bytes, 0, len)).flatten().map(Bools::Bits);
    Validity::Mask { flags: bits.unwrap_or(Bools::Bytes(bytes)), valid_when: mask.valid_when }
}

impl Numbers {
    pub(crate) fn data(&self) -> Data<'_> {
        match self {
            Numbers::Bool(array) => Data::Bool(Bools::Bytes(array.as_slice())),
            Numbers::Int8(array) => data(array),
            Numbers::Int16(array) => data(array),
            Numbers::Int32(array) => data(array),
            Numbers::Int64(array) => data(array),
            Numbers::UInt8(array) => data(array),
            Numbers::UInt16(array) => data(array),
            Numbers::UInt32(array) => data(array),
            Numbers::UInt64(array) => data(array),
            Numbers::Float32(array) => data(array),
            Numbers::Float64(array) => data(array),
        }
    }
}

/// The numbers of an array that was seen to be contiguous.
fn data<'a, T: Element + column::Native>(array: &'a Numpy<T>) -> Data<'a> {
    T::data(array.as_slice())
}

/// Look at an array, a pair of offsets and content, or a masked one of these.
pub(super) fn piece<'py>(name: &str, value: &Bound<'py, PyAny>) -> Looked<Piece> {
    let (value, mask) = unmask(name, value)?;
    if let Ok(pair) = value.cast::<PyTuple>() {
        return lists(name, pair, mask);
    }
    let array = as_array(name, &value)?;
    let (dimensions, shape) = (array.ndim(), array.shape().to_vec());
    let values = match numbers(&array)? {
        Ok(values) => values,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(match dimensions {
        1 => Ok(Piece::Flat(Masks { values, mask })),
        2 => Ok(Piece::Fixed { values, length: shape[1], events: shape[0], mask }),
        0 => Err("a single number, not an array".to_owned()),
        _ => Err(format!("{dimensions}-dimensional")),
    })
}

/// What is under a `Masked`, and its mask.
fn unmask<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Option<Mask>)> {
    let Ok(masked) = value.cast_exact::<Masked>() else {
        return Ok((value.clone(), None));
    };
    let (py, masked) = (value.py(), masked.get());
    let flags = as_array(name, masked.mask.bind(py))?;
    let flags = match numbers(&flags)? {
        Ok(Numbers::Bool(flags) | Numbers::UInt8(flags)) => flags,
        _ => return Err(ColumnError::new_err(format!("branch '{name}': the mask must be of bool or uint8"))),
    };
    let mask = Mask { flags, bits: masked.bits, valid_when: masked.valid_when };
    Ok((masked.values.bind(py).clone(), Some(mask)))
}

fn lists<'py>(name: &str, pair: &Bound<'py, PyTuple>, mask: Option<Mask>) -> Looked<Piece> {
    if pair.len() != 2 {
        let message = format!("branch '{name}' is a tuple of {}; a jagged branch is (offsets, content)", pair.len());
        return Err(ColumnError::new_err(message));
    }
    let given = pair.get_item(0)?;
    let wrong = |found: String| {
        let message = format!("branch '{name}': offsets are {found}; they must be one-dimensional int32 or int64");
        Err(ColumnError::new_err(message))
    };
    let given = plain(&given)?;
    let Ok(offsets) = given.cast::<PyUntypedArray>() else {
        return wrong(format!("a {}", given.get_type().name()?));
    };
    let offsets = match (offsets.ndim(), numbers(offsets)?) {
        (1, Ok(offsets @ (Numbers::Int32(_) | Numbers::Int64(_)))) => offsets,
        (1, Ok(Numbers::UInt32(_))) => native(offsets, "int64")?,
        (1, _) => return wrong(format!("of type {}", offsets.dtype().str()?)),
        (dimensions, _) => return wrong(format!("{dimensions}-dimensional")),
    };
    let (content, content_mask) = unmask(name, &plain(&pair.get_item(1)?)?)?;
    let content = as_array(name, &content)?;
    if content.ndim() != 1 {
        return Ok(Err(format!("lists of {}-dimensional content", content.ndim())));
    }
    let content = numbers(&content)?.map(|values| Masks { values, mask: content_mask });
    Ok(content.map(|content| Piece::Lists { offsets, content, mask }))
}

/// The value itself, or what is under a subclass of arrays: one that is masked or mapped from a file.
fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if value.cast::<PyUntypedArray>().is_err() || super::is_plain_array(value) {
        return Ok(value.clone());
    }
    value.py().import(intern!(value.py(), "mlaas4hep.columns"))?.call_method1("adapt", (value,))
}

fn as_array<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let array = value.cast::<PyUntypedArray>().cloned();
    array.map_err(|_| {
        let found = value.get_type();
        ColumnError::new_err(format!("branch '{name}': {found} is not a NumPy array"))
    })
}

/// The array as contiguous native numbers: as it is, or packed once. Or why it holds no numbers.
pub(super) fn numbers<'py>(array: &Bound<'py, PyUntypedArray>) -> Looked<Numbers> {
    let dtype = array.dtype();
    let name = match (dtype.kind(), dtype.itemsize()) {
        (b'b', 1) => "bool",
        (b'i', 1) => "int8",
        (b'i', 2) => "int16",
        (b'i', 4) => "int32",
        (b'i', 8) => "int64",
        (b'u', 1) => "uint8",
        (b'u', 2) => "uint16",
        (b'u', 4) => "uint32",
        (b'u', 8) => "uint64",
        (b'f', 2 | 4) => "float32",
        (b'f', 8) => "float64",
        (b'U' | b'S' | b'T', _) => return Ok(Err("strings".to_owned())),
        (b'O', _) => return Ok(Err("Python objects".to_owned())),
        _ => return Ok(Err(format!("of type {}", dtype.str()?))),
    };
    native(array, name).map(Ok)
}

/// The array as contiguous numbers of a native type, copied only where it is something else.
fn native<'py>(array: &Bound<'py, PyUntypedArray>, name: &str) -> PyResult<Numbers> {
    match name {
        "bool" => {
            let bytes = array.call_method1(intern!(array.py(), "view"), ("uint8",));
            let bytes = bytes.or_else(|_| pack(array, "bool")?.call_method1("view", ("uint8",)))?;
            readonly(bytes.cast::<PyUntypedArray>()?, "uint8").map(Numbers::Bool)
        }
        "int8" => readonly(array, name).map(Numbers::Int8),
        "int16" => readonly(array, name).map(Numbers::Int16),
        "int32" => readonly(array, name).map(Numbers::Int32),
        "int64" => readonly(array, name).map(Numbers::Int64),
        "uint8" => readonly(array, name).map(Numbers::UInt8),
        "uint16" => readonly(array, name).map(Numbers::UInt16),
        "uint32" => readonly(array, name).map(Numbers::UInt32),
        "uint64" => readonly(array, name).map(Numbers::UInt64),
        "float32" => readonly(array, name).map(Numbers::Float32),
        _ => readonly(array, name).map(Numbers::Float64),
    }
}

fn readonly<'py, T: Element>(array: &Bound<'py, PyUntypedArray>, name: &str) -> PyResult<Numpy<T>> {
    if let Some(typed) = Numpy::of(array) {
        return Ok(typed);
    }
    let packed = pack(array, name)?;
    let packed = packed.cast::<PyUntypedArray>()?;
    Numpy::of(packed).ok_or_else(|| ColumnError::new_err(format!("an array of {name} cannot be packed")))
}

/// A packed copy in native byte order.
fn pack<'py>(array: &Bound<'py, PyUntypedArray>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = array.py();
    let options = PyDict::new(py);
    options.set_item("dtype", name)?;
    options.set_item("order", "C")?;
    options.set_item("copy", true)?;
    py.import(intern!(py, "numpy"))?.call_method("array", (array,), Some(&options))
}
