//! Baskets of ROOT files as NumPy arrays.

#![allow(unsafe_code)]

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use mlaas4hep_root::{
    Branch, Buffer, Bytes, Column, DType, Fault, Layout, LocalFile, Number, Place, Ranges, Reader, Stored,
};
use numpy::ndarray::ArrayView1;
use numpy::{Element, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::ReadError;

/// A branch of numbers whose baskets are read here. See `_rust.pyi`.
#[pyclass(frozen, module = "mlaas4hep._rust")]
pub(crate) struct BasketBranch(Arc<Branch>);

/// A basket that the tree itself holds: content, and where in it entries begin.
type Held<'py> = (Bound<'py, PyBytes>, Option<Vec<u32>>);

#[pymethods]
impl BasketBranch {
    #[new]
    #[pyo3(signature = (name, dtype, edges, seeks, sizes, *, stored=None, packed=None, entry=None, header=None, counter=None, held=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        name: &str,
        dtype: &str,
        edges: Vec<u64>,
        seeks: Vec<u64>,
        sizes: Vec<usize>,
        stored: Option<&str>,
        packed: Option<(f64, f64, u32)>,
        entry: Option<(usize, usize, usize)>,
        header: Option<usize>,
        counter: Option<&Bound<'_, BasketBranch>>,
        held: Option<Vec<Held<'_>>>,
    ) -> PyResult<BasketBranch> {
        let number = number(dtype, stored, packed)?;
        let layout = match (entry, header) {
            (Some((length, stride, skip)), None) => Layout::Numbers { length, stride, skip },
            (None, Some(header)) => Layout::Lists { header, counter: counter.map(|counter| counter.get().0.clone()) },
            _ => return Err(PyValueError::new_err("a branch has either numbers or lists: give entry or header")),
        };
        let in_file = seeks.into_iter().zip(sizes).map(|(start, size)| Place::Stored { start, size });
        let held = held
            .into_iter()
            .flatten()
            .map(|(content, starts)| Place::Held { content: content.as_bytes().to_vec(), starts });
        let branch = Branch::new(name, number, layout, edges, in_file.chain(held).collect());
        Ok(BasketBranch(Arc::new(branch.map_err(PyValueError::new_err)?)))
    }
}

fn number(dtype: &str, stored: Option<&str>, packed: Option<(f64, f64, u32)>) -> PyResult<Number> {
    let stored = match (stored, packed) {
        (None, None) => Stored::Same,
        (Some("float32"), None) => Stored::Float32,
        (Some("float64"), None) => Stored::Float64,
        (None, Some((0.0, 0.0, bits))) => Stored::Truncated { bits },
        (None, Some((low, high, bits))) => Stored::Scaled { low, high, bits },
        _ => return Err(PyValueError::new_err("numbers cannot be stored so")),
    };
    let number = DType::from_name(dtype).and_then(|dtype| Number::new(dtype, stored));
    number.ok_or_else(|| PyValueError::new_err(format!("numbers of type {dtype} cannot be stored so")))
}

/// Where bytes come from.
enum Origin {
    Local(LocalFile),
    Fetched(Ranges),
}

impl Bytes for Origin {
    fn size(&self) -> Result<u64, Fault> {
        match self {
            Origin::Local(file) => file.size(),
            Origin::Fetched(ranges) => ranges.size(),
        }
    }

    fn check_unchanged(&self) -> Result<(), Fault> {
        match self {
            Origin::Local(file) => file.check_unchanged(),
            Origin::Fetched(ranges) => ranges.check_unchanged(),
        }
    }

    fn read(&self, start: u64, into: &mut [u8]) -> Result<(), Fault> {
        match self {
            Origin::Local(file) => file.read(start, into),
            Origin::Fetched(ranges) => ranges.read(start, into),
        }
    }
}

/// Reads branches of one file. See `_rust.pyi`.
#[pyclass(frozen, module = "mlaas4hep._rust")]
pub(crate) struct BasketReader {
    path: String,
    size: u64,
    reader: Mutex<Option<Reader<Origin>>>,
}

#[pymethods]
impl BasketReader {
    /// A local file of this size and time; without a time a file of which ranges are given with each read.
    #[new]
    #[pyo3(signature = (path, size, modified=None))]
    fn new(path: PathBuf, size: u64, modified: Option<i128>) -> PyResult<BasketReader> {
        let origin = match modified {
            Some(modified) => Origin::Local(LocalFile::open(&path, size, modified)?),
            None => Origin::Fetched(Ranges::new(size, Vec::new())),
        };
        let reader = Mutex::new(Some(Reader::new(origin)));
        Ok(BasketReader { path: path.to_string_lossy().into_owned(), size, reader })
    }

    /// Columns of the entries from `start` to `stop`, in the order of the branches.
    #[pyo3(signature = (branches, start, stop, threads=None, fetched=None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        branches: Vec<Bound<'py, BasketBranch>>,
        start: u64,
        stop: u64,
        threads: Option<usize>,
        fetched: Option<Vec<(u64, Vec<u8>)>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let branches: Vec<Arc<Branch>> = branches.iter().map(|branch| branch.get().0.clone()).collect();
        if let Some(short) = branches.iter().find(|branch| !(start <= stop && stop <= branch.entries())) {
            let (name, entries) = (short.name(), short.entries());
            let message = format!("{}: branch '{name}': entries {start} to {stop} of {entries}", self.path);
            return Err(PyValueError::new_err(message));
        }
        let read = py.detach(|| {
            self.with(|reader| {
                if let Some(ranges) = fetched {
                    reader.set_bytes(Origin::Fetched(Ranges::new(self.size, ranges)));
                }
                reader.read(&branches, start..stop, threads)
            })
        })?;
        let read = read.map_err(|error| ReadError::new_err(format!("{}: {error}", self.path)))?;
        let memory = Bound::new(py, Memory(read.buffer))?;
        let mut offsets: Vec<(Range<usize>, Bound<'py, PyAny>)> = Vec::new();
        let columns = branches.iter().zip(read.columns);
        columns.map(|(branch, column)| array(&memory, branch.number().dtype(), column, &mut offsets)).collect()
    }

    /// The ranges of the file that a read would fetch.
    fn ranges(&self, branches: Vec<Bound<'_, BasketBranch>>, start: u64, stop: u64) -> PyResult<Vec<(u64, u64)>> {
        let branches: Vec<Arc<Branch>> = branches.iter().map(|branch| branch.get().0.clone()).collect();
        self.with(|reader| {
            reader.ranges(&branches, &(start..stop)).into_iter().map(|range| (range.start, range.end)).collect()
        })
    }

    /// Seconds of fetching, decompression and decoding, added up over threads.
    #[getter]
    fn seconds(&self) -> PyResult<(f64, f64, f64)> {
        let seconds = self.with(|reader| reader.seconds())?;
        Ok((seconds.fetching, seconds.decompression, seconds.decoding))
    }

    /// Close the file.
    fn close(&self) {
        if let Ok(mut reader) = self.reader.lock() {
            *reader = None;
        }
    }
}

impl BasketReader {
    fn with<T>(&self, work: impl FnOnce(&mut Reader<Origin>) -> T) -> PyResult<T> {
        let mut reader = self.reader.lock().map_err(|_| PyValueError::new_err("an earlier read ended in a panic"))?;
        let reader = reader.as_mut().ok_or_else(|| PyValueError::new_err(format!("{}: it is closed", self.path)))?;
        Ok(work(reader))
    }
}

/// Memory of columns, which NumPy arrays keep alive.
#[pyclass(frozen)]
struct Memory(Arc<Buffer>);

/// The array of a flat column, or the pair of a jagged one; arrays of offsets that were made are used again.
fn array<'py>(
    memory: &Bound<'py, Memory>,
    dtype: DType,
    column: Column,
    known: &mut Vec<(Range<usize>, Bound<'py, PyAny>)>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = memory.py();
    let is_part = !Arc::ptr_eq(&column.memory, &memory.get().0);
    let part = if is_part { Bound::new(py, Memory(column.memory))? } else { memory.clone() };
    let content = match dtype {
        DType::Bool => view::<u8>(&part, column.content)?.call_method1(intern!(py, "view"), ("bool",))?,
        DType::Int8 => view::<i8>(&part, column.content)?,
        DType::Int16 => view::<i16>(&part, column.content)?,
        DType::Int32 => view::<i32>(&part, column.content)?,
        DType::Int64 => view::<i64>(&part, column.content)?,
        DType::UInt8 => view::<u8>(&part, column.content)?,
        DType::UInt16 => view::<u16>(&part, column.content)?,
        DType::UInt32 => view::<u32>(&part, column.content)?,
        DType::UInt64 => view::<u64>(&part, column.content)?,
        DType::Float32 => view::<f32>(&part, column.content)?,
        DType::Float64 => view::<f64>(&part, column.content)?,
    };
    if is_part {
        // Later reads may take columns from the same basket.
        content.call_method1(intern!(py, "setflags"), (false,))?;
    }
    let Some(range) = column.offsets else { return Ok(content) };
    let offsets = match known.iter().find(|(other, _)| *other == range) {
        Some((_, offsets)) => offsets.clone(),
        None => {
            let offsets = view::<i64>(memory, range.clone())?;
            known.push((range, offsets.clone()));
            offsets
        }
    };
    Ok((offsets, content).into_pyobject(py)?.into_any())
}

fn view<'py, T: Element + bytemuck::AnyBitPattern>(
    memory: &Bound<'py, Memory>,
    range: Range<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let bytes = memory.get().0.bytes().get(range).unwrap_or_default();
    let numbers: &[T] = bytemuck::try_cast_slice(bytes).map_err(|error| PyValueError::new_err(error.to_string()))?;
    // SAFETY: the memory is kept alive by the array and never moves. Nobody but holders of such arrays sees it, or it
    // belongs to a basket that the reader keeps, and only reads; then `array` forbids to write there.
    Ok(unsafe { PyArray1::borrow_from_array(&ArrayView1::from(numbers), memory.clone().into_any()) }.into_any())
}
