//! Branches and the file that has their baskets, some of them in order, some damaged, some anything.

use std::sync::Arc;

use mlaas4hep_root::{Branch, DType, Layout, Number, Place, Stored};

use crate::input::{Input, Noise};
use crate::pack;

const TYPES: [DType; 11] = [
    DType::Float32,
    DType::Int32,
    DType::Bool,
    DType::Int8,
    DType::Int16,
    DType::Int64,
    DType::UInt8,
    DType::UInt16,
    DType::UInt32,
    DType::UInt64,
    DType::Float64,
];
const INTEGERS: [DType; 8] =
    [DType::Int32, DType::Int8, DType::Int16, DType::Int64, DType::UInt8, DType::UInt16, DType::UInt32, DType::UInt64];
/// A basket has fewer entries: enough for tables of offsets that are left out where only the content is wanted.
const ENTRIES: usize = 400;

/// A file, and the branches whose baskets lie there.
#[derive(Default)]
pub struct Tree {
    pub file: Vec<u8>,
    pub branches: Vec<Made>,
    /// Whether everything is in order, so that what is read must be what the branches were made of.
    pub intact: bool,
    places: Vec<Place>,
}

/// A branch, and what it was made of.
pub struct Made {
    pub branch: Arc<Branch>,
    pub baskets: usize,
    /// Where entries begin in the numbers, and the end of the last one.
    pub starts: Vec<usize>,
    /// The numbers, where they are stored as they are.
    pub numbers: Option<Vec<u8>>,
}

/// The entries of one basket as they are stored.
#[derive(Default)]
struct Entries {
    content: Vec<u8>,
    /// Where each begins.
    starts: Vec<u32>,
    /// Whether the basket says so.
    table: bool,
}

/// What a branch has.
#[derive(Clone, Copy)]
enum Role<'r> {
    /// The lengths of lists.
    Lengths,
    /// Anything; its lists may rely on the branch that has the lengths.
    Any(Option<&'r Arc<Branch>>),
}

impl Tree {
    /// Up to three branches of up to three baskets each, and maybe one with the lengths of the lists.
    pub fn new(input: &mut Input<'_>) -> Result<Tree, String> {
        let mut tree = Tree { intact: true, ..Tree::default() };
        let mut edges = vec![0];
        for _ in 0..(input.below(4) + 1) % 4 {
            edges.push(edges[edges.len() - 1] + input.below(ENTRIES) as u64);
        }
        let (mut noise, most) = (Noise(u64::from(input.byte())), input.byte() % 5 + 1);
        let lengths: Vec<usize> = (0..edges[edges.len() - 1]).map(|_| usize::from(noise.next() % most)).collect();
        let counter = match input.pick(&[true, false]) {
            true => Some(tree.branch(input, edges.clone(), &lengths, Role::Lengths)?),
            false => None,
        };
        for _ in 0..=input.below(3) {
            let role = Role::Any(counter.as_ref().map(|made| &made.branch));
            let made = tree.branch(input, edges.clone(), &lengths, role)?;
            tree.branches.push(made);
        }
        tree.branches.extend(counter);
        Ok(tree)
    }

    fn branch(
        &mut self,
        input: &mut Input<'_>,
        mut edges: Vec<u64>,
        lengths: &[usize],
        role: Role<'_>,
    ) -> Result<Made, String> {
        let number = self.number(input, role);
        let mut layout = self.layout(input, number, role);
        let last = edges.len() - 1;
        if input.rarely() {
            for edge in 1..last {
                edges[edge] = input.below(edges[last] as usize + 1) as u64;
            }
            edges.sort_unstable();
        }
        let mut filler = Filler { role, noise: Noise(u64::from(input.byte()) << 8), mask: input.pick(&[3, 255, 0]) };
        let (mut starts, mut numbers, mut places) = (vec![0], Vec::new(), Vec::new());
        for span in edges.windows(2) {
            let mut lengths = lengths[span[0] as usize..span[1] as usize].to_vec();
            let mut table = matches!(layout, Layout::Lists { .. }) && input.byte() < 128;
            if let Layout::Lists { counter: None, .. } = layout {
                table = table || !input.rarely();
                self.intact &= table;
            }
            if table && input.rarely() && !lengths.is_empty() {
                lengths.rotate_left(1); // as many numbers, other lists
            }
            let entries = filler.entries(number, &layout, &lengths, &mut starts, &mut numbers);
            places.push(self.place(input, Entries { table, ..entries }));
        }
        if input.rarely() {
            self.intact = false;
            edges[last] = edges[last].saturating_add(input.long() >> (input.byte() % 64));
        }
        if input.rarely() {
            self.intact = false;
            odd(input, &mut layout);
        }
        let baskets = places.len();
        let name = if matches!(role, Role::Lengths) { "n" } else { "x" };
        let branch = Arc::new(Branch::new(name, number, layout, edges, places)?);
        let same = number == Number::new(number.dtype(), Stored::Same).unwrap();
        Ok(Made { branch, baskets, starts, numbers: same.then_some(numbers) })
    }

    fn number(&mut self, input: &mut Input<'_>, role: Role<'_>) -> Number {
        if matches!(role, Role::Lengths) && !input.rarely() {
            return Number::new(input.pick(&INTEGERS), Stored::Same).unwrap();
        }
        self.intact &= !matches!(role, Role::Lengths);
        let kind = input.pick(&TYPES);
        let stored = match input.below(8) {
            0..=3 => Stored::Same,
            4 => Stored::Float32,
            5 => Stored::Float64,
            6 => Stored::Truncated { bits: u32::from(input.byte() % 32) },
            _ => {
                let ends = [0.0, 1.0, -1e300, 1e300, f64::NAN, f64::INFINITY, f64::from_bits(input.long())];
                Stored::Scaled { low: input.pick(&ends), high: input.pick(&ends), bits: u32::from(input.byte() % 48) }
            }
        };
        Number::new(kind, stored).unwrap_or_else(|| Number::new(kind, Stored::Same).unwrap())
    }

    fn layout(&mut self, input: &mut Input<'_>, number: Number, role: Role<'_>) -> Layout {
        let size = number.stored_size();
        match (role, input.byte()) {
            (Role::Any(counter), 0..160) => {
                let header = if input.rarely() { input.below(32) } else { input.pick(&[0, 0, 0, 10]) };
                let counter = counter.filter(|_| input.byte() < 128).cloned();
                Layout::Lists { header, counter }
            }
            (Role::Lengths, 248..) => {
                self.intact = false;
                Layout::Lists { header: 0, counter: None }
            }
            (_, more) => {
                let length = if matches!(role, Role::Any(_)) { input.below(4) + 1 } else { 1 };
                let (skip, behind) = if more % 4 == 3 { (input.below(20), input.below(20)) } else { (0, 0) };
                Layout::Numbers { length, stride: skip + size * length + behind, skip }
            }
        }
    }

    /// Put a basket somewhere: its entries, or something else.
    fn place(&mut self, input: &mut Input<'_>, mut entries: Entries) -> Place {
        let choice = input.byte();
        if let 160..176 = choice {
            entries.starts.push(entries.content.len() as u32);
            self.intact &= !input.flip(&mut entries.content);
            if !entries.starts.is_empty() && input.rarely() {
                let position = input.below(entries.starts.len());
                entries.starts[position] = input.word() as u32;
                self.intact = false;
            }
            return Place::Held { content: entries.content, starts: entries.table.then_some(entries.starts) };
        }
        self.intact &= choice < 176;
        let len = input.pick(&[40, 37, 64, 255]);
        let mut basket = match choice {
            0..160 => self.packed(input, len, entries),
            // An object of anything, with the table that it should have or without one.
            176..192 => {
                let content = input.bytes(2000).to_vec();
                self.packed(input, len, Entries { content, ..entries })
            }
            192..216 => claimed(input, len, entries.content.len()),
            216..232 => {
                let data = input.bytes(400);
                let mut basket = pack::key(len, data.len(), input.word(), input.word());
                basket.extend(data);
                basket
            }
            232..240 => input.bytes(400).to_vec(),
            _ => match self.places.get(input.below(self.places.len())) {
                Some(place) => return place.clone(),
                None => Vec::new(),
            },
        };
        self.intact &= !input.flip(&mut basket);
        if input.rarely() {
            self.file.extend(input.bytes(64));
        }
        let (mut start, mut size) = (self.file.len() as u64, basket.len());
        if input.rarely() {
            self.intact = false;
            start = start.saturating_add_signed(i64::from(input.byte() as i8));
            size = size.saturating_add_signed(isize::from(input.byte() as i8));
        }
        self.file.extend(basket);
        self.places.push(Place::Stored { start, size });
        Place::Stored { start, size }
    }

    /// A basket of these entries as ROOT writes it, save what is changed before it is compressed.
    fn packed(&mut self, input: &mut Input<'_>, len: usize, entries: Entries) -> Vec<u8> {
        let mut object = entries.content;
        let content = object.len();
        if entries.table {
            object.extend((entries.starts.len() as u32 + 1).to_be_bytes());
            object.extend(entries.starts.iter().flat_map(|start| (start + len as u32).to_be_bytes()));
            object.extend([0; 4]);
        }
        self.intact &= !input.flip(&mut object);
        let kind = pack::KINDS.get(input.below(pack::KINDS.len() + 1)).copied();
        let pieces = if input.rarely() { input.below(5) + 1 } else { 1 };
        pack::basket(len, kind, object.len().div_ceil(pieces).max(1), &object, content)
    }
}

/// A good key and good headers of blocks in front of anything.
fn claimed(input: &mut Input<'_>, len: usize, content: usize) -> Vec<u8> {
    let (mut blocks, mut size) = (Vec::<u8>::new(), 0);
    for _ in 0..=input.below(3) {
        let kind = input.pick(&pack::KINDS);
        let claim = match input.byte() {
            0..128 => content,
            128..250 => input.word(),
            _ => input.word() << 8 | usize::from(input.byte()),
        };
        let block = pack::wrap(kind, input.bytes(400), claim);
        for _ in 0..1 << input.byte().saturating_sub(248) {
            blocks.extend(&block);
            size += claim;
        }
    }
    let content = if input.rarely() { size - input.below(size + 1) } else { content.min(size) };
    let mut basket = pack::key(len, blocks.len(), size, content);
    basket.extend(blocks);
    basket
}

/// Make something of a layout enormous.
fn odd(input: &mut Input<'_>, layout: &mut Layout) {
    let (which, any) = (input.byte(), (input.long() >> (input.byte() % 64)) as usize);
    match (layout, which % 3) {
        (Layout::Numbers { length, .. }, 0) => *length = any,
        (Layout::Numbers { stride, .. }, 1) => *stride = any,
        (Layout::Numbers { skip, .. }, _) => *skip = any,
        (Layout::Lists { header, .. }, _) => *header = any,
    }
}

/// Makes the content of baskets.
struct Filler<'r> {
    role: Role<'r>,
    noise: Noise,
    mask: u8,
}

impl Filler<'_> {
    /// Entries with lists of these lengths, or, if they are no lists, as many; what they hold goes to the end of `starts`
    /// and `numbers`.
    fn entries(
        &mut self,
        number: Number,
        layout: &Layout,
        lengths: &[usize],
        starts: &mut Vec<usize>,
        numbers: &mut Vec<u8>,
    ) -> Entries {
        let (mut entries, size) = (Entries::default(), number.stored_size());
        for list in lengths {
            let begin = entries.content.len();
            entries.starts.push(begin as u32);
            let (front, count, stop) = match layout {
                Layout::Numbers { length, stride, skip } => (*skip, *length, begin + stride),
                Layout::Lists { header, .. } => (*header, *list, begin + header + list * size),
            };
            self.noise(front, &mut entries.content);
            match self.role {
                Role::Lengths if count == 1 && size <= 8 => {
                    entries.content.extend(&(*list as u64).to_be_bytes()[8 - size..]);
                }
                _ => self.noise(count * size, &mut entries.content),
            }
            for number_bytes in entries.content[begin + front..].chunks_exact(size) {
                match number.dtype() {
                    DType::Bool => numbers.push(u8::from(number_bytes[0] != 0)),
                    _ if cfg!(target_endian = "little") => numbers.extend(number_bytes.iter().rev()),
                    _ => numbers.extend(number_bytes),
                }
            }
            starts.push(starts[starts.len() - 1] + count);
            self.noise(stop - entries.content.len(), &mut entries.content);
        }
        entries
    }

    fn noise(&mut self, count: usize, into: &mut Vec<u8>) {
        into.extend((0..count).map(|_| self.noise.next() & self.mask));
    }
}
