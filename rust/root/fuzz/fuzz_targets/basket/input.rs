//! The fuzzer's bytes, from which everything is chosen in turn. Where they end, there are zeros, and these choose what is
//! in order.

pub struct Input<'i>(pub &'i [u8]);

impl<'i> Input<'i> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn word(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    pub fn long(&mut self) -> u64 {
        (0..8).fold(0, |long, at| long | u64::from(self.byte()) << (8 * at))
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        if end <= 1 {
            return 0;
        }
        let number = if end <= 256 { usize::from(self.byte()) } else { self.word() };
        number % end
    }

    /// True once in a while.
    pub fn rarely(&mut self) -> bool {
        self.byte() >= 224
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to so many bytes: their number comes first.
    pub fn bytes(&mut self, most: usize) -> &'i [u8] {
        let count = self.below(most + 1).min(self.0.len());
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    /// Change a few bytes, or, most of the time, none. Says whether there was a change.
    pub fn flip(&mut self, bytes: &mut [u8]) -> bool {
        let flips = self.byte();
        if flips < 160 || bytes.is_empty() {
            return false;
        }
        for _ in 0..=flips % 4 {
            let position = self.below(bytes.len());
            bytes[position] ^= self.byte().max(1);
        }
        true
    }
}

/// Bytes that nobody chose, from a seed.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }
}
