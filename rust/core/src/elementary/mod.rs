//! Elementary functions.
mod log;

pub(crate) use log::log;

use crate::expr::Function;

pub(crate) fn of_one(function: Function) -> Option<fn(f64) -> f64> {
    Some(match function {
        Function::Cbrt => libm::cbrt,
        Function::Exp => libm::exp,
        Function::Exp2 => libm::exp2,
        Function::Expm1 => libm::expm1,
        Function::Log2 => libm::log2,
        Function::Log10 => libm::log10,
        Function::Log1p => libm::log1p,
        Function::Sin => libm::sin,
        Function::Cos => libm::cos,
        Function::Tan => libm::tan,
        Function::Asin => libm::asin,
        Function::Acos => libm::acos,
        Function::Atan => libm::atan,
        Function::Sinh => libm::sinh,
        Function::Cosh => libm::cosh,
        Function::Tanh => libm::tanh,
        Function::Asinh => libm::asinh,
        Function::Acosh => libm::acosh,
        Function::Atanh => libm::atanh,
        Function::Erf => libm::erf,
        Function::Erfc => libm::erfc,
        Function::Tgamma => libm::tgamma,
        Function::Lgamma => libm::lgamma,
        _ => return None,
    })
}

pub(crate) fn of_two(function: Function) -> Option<fn(f64, f64) -> f64> {
    Some(match function {
        Function::Pow => libm::pow,
        Function::Atan2 => libm::atan2,
        Function::Hypot => libm::hypot,
        Function::Nextafter => libm::nextafter,
        _ => return None,
    })
}
