//! The functions that steps apply to values, and what types they take and give.

use super::step::Type;

/// Declare an enum of functions with the names and signatures of each.
macro_rules! functions {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident $name:literal $signature:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum $enum {
            $($variant,)*
        }

        impl $enum {
            /// Every one of them.
            pub const ALL: &[$enum] = &[$($enum::$variant,)*];

            /// Its name in a plan.
            pub fn name(self) -> &'static str {
                match self {
                    $($enum::$variant => $name,)*
                }
            }

            /// The one of that name.
            pub fn from_name(name: &str) -> Option<$enum> {
                $enum::ALL.iter().copied().find(|function| function.name() == name)
            }

            /// The type that it gives for values of these types; nothing if it does not take them.
            pub fn result(self, types: &[Type]) -> Option<Type> {
                let signatures = match self {
                    $($enum::$variant => $signature,)*
                };
                result(signatures, types)
            }
        }
    };
}

functions! {
    /// A function of values, taken value by value. `bi>f` means: of a bool and an int64 it makes a float64.
    Function {
        And "and" "bb>b", Or "or" "bb>b", Not "not" "b>b", Where "where" "bbb>b bii>i bff>f",
        ToInt "int64" "b>i", ToFloat "float64" "b>f i>f",
        Add "add" "ii>i ff>f", Sub "sub" "ii>i ff>f", Mul "mul" "ii>i ff>f", Div "div" "ff>f",
        FloorDiv "floordiv" "ii>i ff>f", Mod "mod" "ii>i ff>f", Pow "pow" "ii>i ff>f",
        Neg "neg" "i>i f>f", Abs "abs" "i>i f>f", Sign "sign" "i>i f>f", Factorial "factorial" "i>i",
        Min "min" "ii>i ff>f", Max "max" "ii>i ff>f", FMin "fmin" "ii>i ff>f", FMax "fmax" "ii>i ff>f",
        Floor "floor" "f>f", Ceil "ceil" "f>f", Trunc "trunc" "f>f", Rint "rint" "f>f",
        Copysign "copysign" "ff>f", Nextafter "nextafter" "ff>f",
        IsNan "isnan" "f>b", IsInf "isinf" "f>b", IsFinite "isfinite" "f>b", SignBit "signbit" "f>b",
        Sqrt "sqrt" "f>f", Cbrt "cbrt" "f>f", Exp "exp" "f>f", Exp2 "exp2" "f>f", Expm1 "expm1" "f>f",
        Log "log" "f>f", Log2 "log2" "f>f", Log10 "log10" "f>f", Log1p "log1p" "f>f",
        Sin "sin" "f>f", Cos "cos" "f>f", Tan "tan" "f>f", Asin "asin" "f>f", Acos "acos" "f>f", Atan "atan" "f>f",
        Sinh "sinh" "f>f", Cosh "cosh" "f>f", Tanh "tanh" "f>f",
        Asinh "asinh" "f>f", Acosh "acosh" "f>f", Atanh "atanh" "f>f",
        Atan2 "atan2" "ff>f", Hypot "hypot" "ff>f",
        Erf "erf" "f>f", Erfc "erfc" "f>f", Tgamma "tgamma" "f>f", Lgamma "lgamma" "f>f",
    }
}

functions! {
    /// A function of a list that makes one value of it.
    Reduction {
        Any "any" "b>b", All "all" "b>b", Count "count" "b>i i>i f>i",
        Sum "sum" "i>i f>f", Prod "prod" "i>i f>f", Min "min" "i>i f>f", Max "max" "i>i f>f", Mean "mean" "i>f f>f",
        ArgMin "argmin" "i>i f>i", ArgMax "argmax" "i>i f>i",
        First "first" "b>b i>i f>f", Last "last" "b>b i>i f>f",
    }
}

functions! {
    /// How two numbers compare.
    Relation {
        Lt "lt" "ii>b if>b fi>b ff>b", Le "le" "ii>b if>b fi>b ff>b", Gt "gt" "ii>b if>b fi>b ff>b",
        Ge "ge" "ii>b if>b fi>b ff>b", Eq "eq" "ii>b if>b fi>b ff>b", Ne "ne" "ii>b if>b fi>b ff>b",
    }
}

/// The result of the first signature that fits.
fn result(signatures: &str, types: &[Type]) -> Option<Type> {
    let fits = |taken: &str| taken.len() == types.len() && taken.chars().zip(types).all(|(c, &ty)| c == ty.letter());
    let mut each = signatures.split(' ').filter_map(|signature| signature.split_once('>'));
    let (_, given) = each.find(|(taken, _)| fits(taken))?;
    Type::ALL.into_iter().find(|ty| given.starts_with(ty.letter()))
}

/// The mass of all particles of a list: one of which anything is missing counts in none of the sums.
const MASS_OF_LIST: &str = "sqrt(max(\
    sum(where((pt == pt) & (eta == eta) & (phi == phi) & (mass == mass), energy(pt, eta, mass), 0.0)) ** 2 \
    - sum(where((pt == pt) & (eta == eta) & (phi == phi) & (mass == mass), px(pt, phi), 0.0)) ** 2 \
    - sum(where((pt == pt) & (eta == eta) & (phi == phi) & (mass == mass), py(pt, phi), 0.0)) ** 2 \
    - sum(where((pt == pt) & (eta == eta) & (phi == phi) & (mass == mass), pz(pt, eta), 0.0)) ** 2, 0.0))";

/// What a name means in a formula.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// Takes float64; integers are converted.
    Float(Function),
    /// Takes int64 or float64 and gives the same.
    Number(Function),
    /// Leaves integers as they are.
    Rounding(Function),
    /// Takes bools.
    Logic(Function),
    /// Takes integers.
    Integer(Function),
    /// Takes a list.
    Reduce(Reduction),
    Where,
    Sort,
    /// A formula of its parameters.
    Formula(&'static [&'static str], &'static str),
}

use Meaning::{Float, Formula, Integer, Logic, Number, Reduce, Rounding};

/// Every function: its name, how many arguments it takes, and what it means.
pub(super) const FUNCTIONS: &[(&str, usize, Meaning)] = &[
    ("abs", 1, Number(Function::Abs)),
    ("absolute", 1, Number(Function::Abs)),
    ("acos", 1, Float(Function::Acos)),
    ("acosh", 1, Float(Function::Acosh)),
    ("all", 1, Reduce(Reduction::All)),
    ("any", 1, Reduce(Reduction::Any)),
    ("arccos", 1, Float(Function::Acos)),
    ("arccosh", 1, Float(Function::Acosh)),
    ("arcsin", 1, Float(Function::Asin)),
    ("arcsinh", 1, Float(Function::Asinh)),
    ("arctan", 1, Float(Function::Atan)),
    ("arctan2", 2, Float(Function::Atan2)),
    ("arctanh", 1, Float(Function::Atanh)),
    ("argmax", 1, Reduce(Reduction::ArgMax)),
    ("argmin", 1, Reduce(Reduction::ArgMin)),
    ("asin", 1, Float(Function::Asin)),
    ("asinh", 1, Float(Function::Asinh)),
    ("atan", 1, Float(Function::Atan)),
    ("atan2", 2, Float(Function::Atan2)),
    ("atanh", 1, Float(Function::Atanh)),
    ("cbrt", 1, Float(Function::Cbrt)),
    ("ceil", 1, Rounding(Function::Ceil)),
    ("copysign", 2, Float(Function::Copysign)),
    ("cos", 1, Float(Function::Cos)),
    ("cosh", 1, Float(Function::Cosh)),
    ("count", 1, Reduce(Reduction::Count)),
    (
        "delta_phi",
        2,
        Formula(&["phi1", "phi2"], "phi1 - phi2 - 6.283185307179586 * rint((phi1 - phi2) / 6.283185307179586)"),
    ),
    ("delta_r", 4, Formula(&["eta1", "phi1", "eta2", "phi2"], "hypot(eta1 - eta2, delta_phi(phi1, phi2))")),
    ("energy", 3, Formula(&["pt", "eta", "mass"], "hypot(pt * cosh(eta), mass)")),
    ("erf", 1, Float(Function::Erf)),
    ("erfc", 1, Float(Function::Erfc)),
    ("exp", 1, Float(Function::Exp)),
    ("exp2", 1, Float(Function::Exp2)),
    ("expm1", 1, Float(Function::Expm1)),
    ("fabs", 1, Number(Function::Abs)),
    ("factorial", 1, Integer(Function::Factorial)),
    ("first", 1, Reduce(Reduction::First)),
    ("floor", 1, Rounding(Function::Floor)),
    ("fmax", 2, Number(Function::FMax)),
    ("fmin", 2, Number(Function::FMin)),
    ("gamma", 1, Float(Function::Tgamma)),
    ("hypot", 2, Float(Function::Hypot)),
    ("invariant_mass", 4, Formula(&["pt", "eta", "phi", "mass"], MASS_OF_LIST)),
    (
        "invariant_mass",
        8,
        Formula(
            &["pt1", "eta1", "phi1", "mass1", "pt2", "eta2", "phi2", "mass2"],
            "sqrt(max((energy(pt1, eta1, mass1) + energy(pt2, eta2, mass2)) ** 2 - (px(pt1, phi1) + px(pt2, phi2)) ** 2 - (py(pt1, phi1) + py(pt2, phi2)) ** 2 - (pz(pt1, eta1) + pz(pt2, eta2)) ** 2, 0.0))",
        ),
    ),
    ("isfinite", 1, Float(Function::IsFinite)),
    ("isinf", 1, Float(Function::IsInf)),
    ("isnan", 1, Float(Function::IsNan)),
    ("last", 1, Reduce(Reduction::Last)),
    ("lgamma", 1, Float(Function::Lgamma)),
    ("log", 1, Float(Function::Log)),
    ("log10", 1, Float(Function::Log10)),
    ("log1p", 1, Float(Function::Log1p)),
    ("log2", 1, Float(Function::Log2)),
    ("logical_and", 2, Logic(Function::And)),
    ("logical_not", 1, Logic(Function::Not)),
    ("logical_or", 2, Logic(Function::Or)),
    ("max", 1, Reduce(Reduction::Max)),
    ("max", 2, Number(Function::Max)),
    ("maximum", 2, Number(Function::Max)),
    ("mean", 1, Reduce(Reduction::Mean)),
    ("min", 1, Reduce(Reduction::Min)),
    ("min", 2, Number(Function::Min)),
    ("minimum", 2, Number(Function::Min)),
    ("neg", 1, Number(Function::Neg)),
    ("nextafter", 2, Float(Function::Nextafter)),
    ("prod", 1, Reduce(Reduction::Prod)),
    ("px", 2, Formula(&["pt", "phi"], "pt * cos(phi)")),
    ("py", 2, Formula(&["pt", "phi"], "pt * sin(phi)")),
    ("pz", 2, Formula(&["pt", "eta"], "pt * sinh(eta)")),
    ("rint", 1, Rounding(Function::Rint)),
    ("round", 1, Rounding(Function::Rint)),
    ("sign", 1, Number(Function::Sign)),
    ("signbit", 1, Float(Function::SignBit)),
    ("sin", 1, Float(Function::Sin)),
    ("sinh", 1, Float(Function::Sinh)),
    ("sort", 1, Meaning::Sort),
    ("sqrt", 1, Float(Function::Sqrt)),
    ("sum", 1, Reduce(Reduction::Sum)),
    ("tan", 1, Float(Function::Tan)),
    ("tanh", 1, Float(Function::Tanh)),
    ("tgamma", 1, Float(Function::Tgamma)),
    ("trunc", 1, Rounding(Function::Trunc)),
    ("where", 3, Meaning::Where),
];
