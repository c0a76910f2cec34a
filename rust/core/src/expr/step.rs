//! The steps that a formula is compiled to. Each makes one value, which later ones take by its number.

use super::function::{Function, Reduction, Relation};
use crate::plan::Slot;
use crate::schema::{DType, Kind};

/// Type of a value in a formula.
///
/// A bool is never missing: a null is false. A missing int64 is null, a missing float64 NaN; infinities are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Type {
    Bool,
    Int,
    Float,
}

impl Type {
    pub(super) const ALL: [Type; 3] = [Type::Bool, Type::Int, Type::Float];

    pub(super) fn letter(self) -> char {
        match self {
            Type::Bool => 'b',
            Type::Int => 'i',
            Type::Float => 'f',
        }
    }

    /// NumPy's name of it.
    pub fn name(self) -> &'static str {
        self.dtype().name()
    }

    /// The same with its article, for messages.
    pub(super) fn a_name(self) -> &'static str {
        match self {
            Type::Bool => "a bool",
            Type::Int => "an int64",
            Type::Float => "a float64",
        }
    }

    /// The type that values of a branch have in a formula.
    pub fn of(dtype: DType) -> Type {
        match dtype {
            DType::Bool => Type::Bool,
            DType::Float32 | DType::Float64 => Type::Float,
            _ => Type::Int,
        }
    }

    /// The type of a branch that holds such values.
    pub fn dtype(self) -> DType {
        match self {
            Type::Bool => DType::Bool,
            Type::Int => DType::Int64,
            Type::Float => DType::Float64,
        }
    }
}

/// Whether a value is the same for all events, one an event, or a list an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Shape {
    Constant,
    Flat,
    Jagged,
}

impl Shape {
    /// The kind of a branch that holds such values; a constant is one number an event there.
    pub fn kind(self) -> Kind {
        if self == Shape::Jagged { Kind::Jagged } else { Kind::Flat }
    }
}

impl From<Kind> for Shape {
    fn from(kind: Kind) -> Shape {
        match kind {
            Kind::Flat => Shape::Flat,
            Kind::Jagged => Shape::Jagged,
        }
    }
}

/// A value that a formula names outright.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Constant {
    Bool(bool),
    Int(i64),
    Float(f64),
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Take a branch, converted to the type of the specs.
    Load {
        /// Its name.
        branch: String,
        /// Flat or jagged; data of the other kind are refused.
        kind: Kind,
        /// The type of the specs.
        dtype: DType,
    },
    /// Take one value for all events.
    Constant(Constant),
    /// Repeat one value an event for each entry of its list in `like`.
    Broadcast {
        /// The flat value.
        input: Slot,
        /// The jagged one.
        like: Slot,
    },
    /// Apply a function value by value.
    Apply {
        /// Which.
        function: Function,
        /// To what; jagged ones of equal lengths.
        inputs: Vec<Slot>,
    },
    /// Compare two numbers, exactly.
    Compare {
        /// How.
        relation: Relation,
        /// Which.
        inputs: [Slot; 2],
    },
    /// Make one value of each list.
    Reduce {
        /// How.
        reduction: Reduction,
        /// Of which lists.
        input: Slot,
    },
    /// Take one entry of each list.
    At {
        /// The lists.
        input: Slot,
        /// Which entry, from the end where it is negative.
        index: Slot,
    },
    /// Keep the entries for which a condition is true.
    Filter {
        /// The lists.
        input: Slot,
        /// The condition, of equal lengths.
        mask: Slot,
    },
    /// Sort each list.
    Sort {
        /// The lists.
        input: Slot,
        /// By which values, of equal lengths.
        by: Slot,
        /// Whether the largest come first.
        descending: bool,
    },
}

impl Op {
    /// The values it takes.
    pub fn inputs(&self) -> Vec<Slot> {
        match self {
            Op::Load { .. } | Op::Constant(_) => vec![],
            Op::Broadcast { input, like } => vec![*input, *like],
            Op::Apply { inputs, .. } => inputs.clone(),
            Op::Compare { inputs, .. } => inputs.to_vec(),
            Op::Reduce { input, .. } => vec![*input],
            Op::At { input, index } => vec![*input, *index],
            Op::Filter { input, mask } => vec![*input, *mask],
            Op::Sort { input, by, .. } => vec![*input, *by],
        }
    }

    /// Type and shape of what it makes of values of these types and shapes; nothing if it does not take them.
    pub fn result(&self, inputs: &[(Type, Shape)]) -> Option<(Type, Shape)> {
        let types: Vec<Type> = inputs.iter().map(|input| input.0).collect();
        let shapes: Vec<Shape> = inputs.iter().map(|input| input.1).collect();
        let side_by_side = !(shapes.contains(&Shape::Flat) && shapes.contains(&Shape::Jagged));
        let together = shapes.iter().copied().max().filter(|_| side_by_side);
        let list = |at: usize| (shapes.get(at) == Some(&Shape::Jagged)).then_some(Shape::Jagged);
        match self {
            Op::Load { kind, dtype, .. } => Some((Type::of(*dtype), (*kind).into())),
            Op::Constant(Constant::Bool(_)) => Some((Type::Bool, Shape::Constant)),
            Op::Constant(Constant::Int(_)) => Some((Type::Int, Shape::Constant)),
            Op::Constant(Constant::Float(_)) => Some((Type::Float, Shape::Constant)),
            Op::Broadcast { .. } => Some((types[0], list(1).filter(|_| shapes[0] == Shape::Flat)?)),
            Op::Apply { function, .. } => Some((function.result(&types)?, together?)),
            Op::Compare { relation, .. } => Some((relation.result(&types)?, together?)),
            Op::Reduce { reduction, .. } => list(0).and(Some((reduction.result(&types)?, Shape::Flat))),
            Op::At { .. } => {
                list(0)?;
                (types[1] == Type::Int && shapes[1] != Shape::Jagged).then_some((types[0], Shape::Flat))
            }
            Op::Filter { .. } => (types[1] == Type::Bool).then_some((types[0], list(0).and(list(1))?)),
            Op::Sort { .. } => (types[1] != Type::Bool).then_some((types[0], list(0).and(list(1))?)),
        }
    }
}

/// Where in which formula a step comes from, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the formula.
    pub formula: usize,
    /// The first character.
    pub start: usize,
    /// The character behind the last one.
    pub stop: usize,
}

/// One step; its number is that of the value it makes.
#[derive(Clone, Debug, PartialEq)]
pub struct FormulaStep {
    /// What it does.
    pub op: Op,
    /// Type of the value.
    pub ty: Type,
    /// Shape of the value.
    pub shape: Shape,
    /// Where it comes from.
    pub place: Place,
}
