//! Run-time choice of instructions: AVX2 where the CPU has it.
//!
//! The same code is compiled twice. It has no fused operations and no reductions of floats whose order the compiler
//! may choose, so both give the same bits.

#![allow(unsafe_code)]

/// Work that is worth compiling for several kinds of CPU.
///
/// It is a trait, since a closure cannot be made to be inlined: `work`, and all that it calls, must be
/// `#[inline(always)]` to be compiled with the instructions that were chosen.
pub(crate) trait Work {
    /// What it gives.
    type Output;

    /// Do it.
    fn work(self) -> Self::Output;
}

/// Do `work` with the best instructions of this CPU.
#[inline]
pub(crate) fn fastest<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && !only_base() {
        // SAFETY: the CPU has AVX2.
        return unsafe { avx2(work) };
    }
    work.work()
}

#[cfg(test)]
thread_local! {
    /// Whether this thread takes the base instructions, whatever the CPU has.
    pub(crate) static ONLY_BASE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) fn only_base() -> bool {
    ONLY_BASE.get()
}

#[cfg(all(not(test), target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn only_base() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<W: Work>(work: W) -> W::Output {
    work.work()
}
