//! Run-time choice of instructions: AVX2 where the CPU has it.
//!
//! The same code is compiled twice. It has no fused operations and no reductions of floats whose order the compiler
//! may choose, so both give the same bits.

#![allow(unsafe_code)]

/// Run `work` with the best instructions of this CPU. What `work` calls must be inlined to be compiled with them.
#[inline]
pub(crate) fn fastest<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has AVX2.
        return unsafe { avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
