//! The extension module `mlaas4hep._rust`: a list of names.

use pyo3::prelude::*;

mod error;
mod formulas;
mod input;
mod output;
mod plan;
mod pool;
mod root;
mod scan;
mod schedule;
mod shard;
mod specs;

#[pymodule]
mod _rust {
    #[pymodule_export]
    use crate::formulas::{Formulas, evaluate, schema};
    #[pymodule_export]
    use crate::input::{Masked, held};
    #[pymodule_export]
    use crate::plan::{Held, Plan, Run, collections};
    #[pymodule_export]
    use crate::pool::default_threads;
    #[pymodule_export]
    use crate::root::{BasketBranch, BasketReader};
    #[pymodule_export]
    use crate::scan::scan;
    #[pymodule_export]
    use crate::schedule::{Schedule, parts, shares, uniforms};
    #[pymodule_export]
    use crate::shard::{limit, shard};
    #[pymodule_export]
    use crate::specs::{Specs, promoted};
}
