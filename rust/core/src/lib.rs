//! Scan, plan and flatten columns of events. This crate knows nothing of Python.
//!
//! - [`column`]: views of flat and jagged columns, validated once
//! - [`schema`]: kinds and types of branches
//! - [`scan`](mod@scan), [`specs`]: the first pass and what it learned
//! - [`sentinel`]: numbers that stand for a missing value
//! - [`expr`]: formulas compiled to steps
//! - [`plan`]: specs compiled to steps
//! - [`run`](mod@run): the second pass, a plan over columns into matrix and mask
//! - [`schedule`]: parts, mixing, chunks and order, from counts and a seed
//! - [`shard`]: the events of each of several readers

pub mod column;
mod elementary;
pub mod error;
pub mod expr;
pub mod plan;
pub mod pool;
pub mod run;
pub mod scan;
pub mod schedule;
pub mod schema;
pub mod sentinel;
pub mod shard;
mod simd;
pub mod specs;

pub use error::{Error, Result};
