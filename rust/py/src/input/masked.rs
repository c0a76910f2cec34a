//! `Masked`: values some of which are null.

use pyo3::prelude::*;

/// Values with a mask of nulls: an array, a pair of offsets and content, or another masked value of these.
#[pyclass(frozen, get_all, module = "mlaas4hep._rust")]
pub(crate) struct Masked {
    pub(crate) values: Py<PyAny>,
    pub(crate) mask: Py<PyAny>,
    pub(crate) valid_when: bool,
    pub(crate) bits: bool,
}

#[pymethods]
impl Masked {
    #[new]
    #[pyo3(signature = (values, mask, *, valid_when, bits=false))]
    fn new(values: Py<PyAny>, mask: Py<PyAny>, valid_when: bool, bits: bool) -> Masked {
        Masked { values, mask, valid_when, bits }
    }
}
