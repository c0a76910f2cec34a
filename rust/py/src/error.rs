//! Core errors as Python exceptions: one match.

use mlaas4hep_core::Error;
use mlaas4hep_core::error::Fault;
use pyo3::PyErr;
use pyo3::exceptions::PyRuntimeError;

mod python {
    #![allow(missing_docs)]
    pyo3::import_exception!(mlaas4hep.errors, BranchError);
    pyo3::import_exception!(mlaas4hep.errors, ColumnError);
    pyo3::import_exception!(mlaas4hep.errors, ExpressionError);
    pyo3::import_exception!(mlaas4hep.errors, ParamsError);
    pyo3::import_exception!(mlaas4hep.errors, ReadError);
    pyo3::import_exception!(mlaas4hep.errors, SpecsError);
}
use python::ExpressionError;
pub(crate) use python::{BranchError, ColumnError, ParamsError, ReadError, SpecsError};

/// The exception for a core error.
pub(crate) fn raise(error: Error) -> PyErr {
    let message = error.to_string();
    match error.fault() {
        Fault::Columns => ColumnError::new_err(message),
        Fault::Branch => BranchError::new_err(message),
        Fault::Specs => SpecsError::new_err(message),
        Fault::Expression => ExpressionError::new_err(message),
        Fault::Argument => ParamsError::new_err(message),
        Fault::System => PyRuntimeError::new_err(message),
    }
}
