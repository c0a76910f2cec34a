//! NumPy arrays as columns: flat, two-dimensional, or pairs of offsets and content; with or without masks.

use std::ptr::NonNull;

use mlaas4hep_core::Result;
use mlaas4hep_core::column::{self, Array, Bits, Bools, Checked, Data, Lists, Offsets, Validity, Values};
use mlaas4hep_core::schema::Kind;
use numpy::npyffi::objects::_PyArray_GET_ITEM_DATA;
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
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
    Fixed { values: Numbers, length: usize, events: usize, mask: Option<Box<Mask>> },
    /// Offsets and content.
    Lists { offsets: Numbers, content: Masks, mask: Option<Box<Mask>> },
}

/// Numbers and their mask.
pub(super) struct Masks {
    values: Numbers,
    mask: Option<Box<Mask>>,
}

/// A mask of nulls: rare, so it lies in a box, and pieces are small.
pub(super) struct Mask {
    flags: Numpy<u8>,
    /// Whether the flags are bits.
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
pub(crate) struct Numpy<T> {
    /// Keeps the memory alive, and where it is.
    array: Py<PyUntypedArray>,
    start: NonNull<T>,
    len: usize,
}

// SAFETY: the memory belongs to the array, which any thread may let go of, and is only read here. As with NumPy's own
// functions, other threads must not write to it meanwhile.
#[allow(unsafe_code)]
unsafe impl<T: Send> Send for Numpy<T> {}
// SAFETY: see above.
#[allow(unsafe_code)]
unsafe impl<T: Sync> Sync for Numpy<T> {}

impl<T> Numpy<T> {
    /// The array's own memory.
    ///
    /// # Safety
    /// `T`s lie there side by side, and any bits are one: see [`lies_ready`].
    #[allow(unsafe_code)]
    unsafe fn of(array: &Bound<'_, PyUntypedArray>) -> Numpy<T> {
        // SAFETY: an array that is bound to Python's lock is alive, and its memory is where it says.
        let data = unsafe { (*_PyArray_GET_ITEM_DATA(array.as_array_ptr())).data };
        let len = array.len();
        // NumPy calls every array without numbers aligned, wherever it points.
        let start = NonNull::new(data.cast()).filter(|_| len > 0).unwrap_or(NonNull::dangling());
        Numpy { array: array.clone().unbind(), start, len }
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
                let validity = validity(mask.as_deref(), *events);
                Ok(Array::Jagged(Lists::new(branch, offsets, validity, content)?))
            }
            Piece::Lists { offsets, content, mask } => {
                let offsets = match offsets.data() {
                    Data::Int32(offsets) => Offsets::Int32(offsets),
                    Data::Int64(offsets) => Offsets::Int64(offsets),
                    _ => Offsets::Int64(&[]),
                };
                let validity = validity(mask.as_deref(), offsets.events());
                Ok(Array::Jagged(Lists::checked(branch, offsets, validity, content.view(branch)?, known)?))
            }
        }
    }
}

impl Masks {
    fn view(&self, branch: &str) -> Result<Values<'_>> {
        let data = self.values.data();
        Values::new(branch, data, validity(self.mask.as_deref(), data.len()))
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
fn data<'a, T: column::Native>(array: &'a Numpy<T>) -> Data<'a> {
    T::data(array.as_slice())
}

/// Look at an array, a pair of offsets and content, or a masked one of these.
pub(super) fn piece<'py>(name: &str, value: &Bound<'py, PyAny>) -> Looked<Piece> {
    let (value, mask) = unmask(name, value)?;
    if let Ok(pair) = value.cast::<PyTuple>() {
        return lists(name, pair, mask);
    }
    let array = as_array(name, &value)?;
    let values = match numbers(array)? {
        Ok(values) => values,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(match *array.shape() {
        [_] => Ok(Piece::Flat(Masks { values, mask })),
        [events, length] => Ok(Piece::Fixed { values, length, events, mask }),
        [] => Err("a single number, not an array".to_owned()),
        _ => Err(format!("{}-dimensional", array.ndim())),
    })
}

/// What is under a `Masked`, and its mask.
fn unmask<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Option<Box<Mask>>)> {
    let Ok(masked) = value.cast_exact::<Masked>() else {
        return Ok((value.clone(), None));
    };
    let (py, masked) = (value.py(), masked.get());
    let flags = match numbers(as_array(name, masked.mask.bind(py))?)? {
        Ok(Numbers::Bool(flags) | Numbers::UInt8(flags)) => flags,
        _ => return Err(ColumnError::new_err(format!("branch '{name}': the mask must be of bool or uint8"))),
    };
    let mask = Mask { flags, bits: masked.bits, valid_when: masked.valid_when };
    Ok((masked.values.bind(py).clone(), Some(Box::new(mask))))
}

fn lists<'py>(name: &str, pair: &Bound<'py, PyTuple>, mask: Option<Box<Mask>>) -> Looked<Piece> {
    if pair.len() != 2 {
        let message = format!("branch '{name}' is a tuple of {}; a jagged branch is (offsets, content)", pair.len());
        return Err(ColumnError::new_err(message));
    }
    let wrong = |found: String| {
        let message = format!("branch '{name}': offsets are {found}; they must be one-dimensional int32 or int64");
        ColumnError::new_err(message)
    };
    let given = plain(&pair.get_item(0)?)?;
    let Ok(offsets) = given.cast::<PyUntypedArray>() else {
        return Err(wrong(format!("a {}", given.get_type().name()?)));
    };
    let offsets = match (offsets.ndim(), numbers(offsets)?) {
        (1, Ok(offsets @ (Numbers::Int32(_) | Numbers::Int64(_)))) => offsets,
        (1, Ok(Numbers::UInt32(_))) => numbers(&packed(offsets, "int64")?)?.map_err(wrong)?,
        (1, _) => return Err(wrong(format!("of type {}", offsets.dtype().str()?))),
        (dimensions, _) => return Err(wrong(format!("{dimensions}-dimensional"))),
    };
    let (content, content_mask) = unmask(name, &plain(&pair.get_item(1)?)?)?;
    let content = as_array(name, &content)?;
    if content.ndim() != 1 {
        return Ok(Err(format!("lists of {}-dimensional content", content.ndim())));
    }
    let content = numbers(content)?.map(|values| Masks { values, mask: content_mask });
    Ok(content.map(|content| Piece::Lists { offsets, content, mask }))
}

/// The value itself, or what is under a subclass of arrays: one that is masked or mapped from a file.
fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if super::is_plain_array(value) || value.cast::<PyUntypedArray>().is_err() {
        return Ok(value.clone());
    }
    value.py().import(intern!(value.py(), "mlaas4hep.columns"))?.call_method1("adapt", (value,))
}

fn as_array<'a, 'py>(name: &str, value: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    value.cast::<PyUntypedArray>().map_err(|_| {
        let found = value.get_type();
        ColumnError::new_err(format!("branch '{name}': {found} is not a NumPy array"))
    })
}

/// The array's numbers in native byte order side by side: where they lie, or packed. Or why it holds none.
pub(super) fn numbers<'py>(array: &Bound<'py, PyUntypedArray>) -> Looked<Numbers> {
    let dtype = array.dtype();
    let (kind, size) = (dtype.kind(), dtype.itemsize());
    if (kind, size) == (b'f', 2) {
        return numbers(&packed(array, "float32")?);
    }
    let number = matches!((kind, size), (b'b', 1) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'f', 4 | 8));
    if number && !lies_ready(array, &dtype) {
        return numbers(&packed(array, &format!("{}{size}", char::from(kind)))?);
    }
    // SAFETY: numbers of this kind and size lie there side by side, bools as bytes.
    #[allow(unsafe_code)]
    Ok(Ok(unsafe {
        match (kind, size) {
            (b'b', 1) => Numbers::Bool(Numpy::of(array)),
            (b'i', 1) => Numbers::Int8(Numpy::of(array)),
            (b'i', 2) => Numbers::Int16(Numpy::of(array)),
            (b'i', 4) => Numbers::Int32(Numpy::of(array)),
            (b'i', 8) => Numbers::Int64(Numpy::of(array)),
            (b'u', 1) => Numbers::UInt8(Numpy::of(array)),
            (b'u', 2) => Numbers::UInt16(Numpy::of(array)),
            (b'u', 4) => Numbers::UInt32(Numpy::of(array)),
            (b'u', 8) => Numbers::UInt64(Numpy::of(array)),
            (b'f', 4) => Numbers::Float32(Numpy::of(array)),
            (b'f', 8) => Numbers::Float64(Numpy::of(array)),
            (b'U' | b'S' | b'T', _) => return Ok(Err("strings".to_owned())),
            (b'O', _) => return Ok(Err("Python objects".to_owned())),
            _ => return Ok(Err(format!("of type {}", dtype.str()?))),
        }
    }))
}

/// Whether an array's numbers are in native byte order, aligned, and lie side by side.
fn lies_ready<'py>(array: &Bound<'py, PyUntypedArray>, dtype: &Bound<'py, PyArrayDescr>) -> bool {
    dtype.is_native_byteorder() != Some(false) && array.is_c_contiguous() && array.is_aligned()
}

/// A packed copy of the array's numbers as the type `name`, in native byte order.
fn packed<'py>(array: &Bound<'py, PyUntypedArray>, name: &str) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = array.py();
    let options = PyDict::new(py);
    options.set_item("dtype", name)?;
    options.set_item("order", "C")?;
    options.set_item("copy", true)?;
    let copy = py.import(intern!(py, "numpy"))?.call_method("array", (array,), Some(&options))?;
    let copy = copy.cast_into::<PyUntypedArray>()?;
    if !lies_ready(&copy, &copy.dtype()) {
        return Err(ColumnError::new_err(format!("an array of {name} cannot be packed")));
    }
    Ok(copy)
}
